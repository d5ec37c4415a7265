import { isPortalError, PortalError } from '../core/errors.js'
import type {
  CallOptions,
  ReceiveRequest,
  ReceiveResponse,
  StreamCredit,
  StreamRequest,
} from '../protocol/service.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Runtime } from '../runtime/runtime.js'
import { sleepUntil } from '../runtime/wait.js'

/** How long a stream is silent at most (ms): whoever listens learns from silence that the connection is gone. */
export const HEARTBEAT = 15_000
const EMPTY: ReceiveResponse = { deliveries: [] }

/** Receives messages for one consumer; what a stream does again and again. */
export type Receive = (request: ReceiveRequest, call: CallOptions) => Promise<ReceiveResponse>

/** The streams of a broker: receives that follow one another as long as their consumers' credit lasts. */
export class ReceiveStreams {
  readonly #runtime: Runtime
  readonly #open = new Map<string, Stream>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Says by an empty answer that it is open, and later that it lives. Ends when it is ended; throws what a receive throws. */
  async *run(
    { stream: id, credit, held, ...request }: StreamRequest,
    receive: Receive,
    { signal }: CallOptions,
  ): AsyncGenerator<ReceiveResponse, void, undefined> {
    if (this.#open.has(id)) throw new PortalError('INVALID_ARGUMENT', `There is a stream ${id} already.`)
    const stream = new Stream(credit)
    const forget = onAbort(signal, () => stream.end())
    this.#open.set(id, stream)
    try {
      if (signal?.aborted) return
      yield EMPTY
      let known = held
      while (!stream.signal.aborted) {
        const response = stream.hasCredit
          ? await receive(
              { ...request, ...stream.wanted, held: known, wait: HEARTBEAT },
              { signal: stream.signal },
            )
          : await this.#pause(stream)
        known = undefined
        if (response === undefined) continue
        stream.take(response)
        yield response
      }
    } catch (error) {
      if (!(stream.signal.aborted && isPortalError(error, 'ABORTED'))) throw error
    } finally {
      this.#open.delete(id)
      forget()
    }
  }

  /** A stream that is not open (any more) is none to raise. */
  raise(credit: StreamCredit): void {
    this.#open.get(credit.stream)?.raise(credit)
  }

  /** What was granted and is not on its way yet is given back. */
  end(id: string): void {
    this.#open.get(id)?.end()
  }

  /** Until there is credit: undefined; or something to say so long. */
  #pause(stream: Stream): Promise<ReceiveResponse | undefined> {
    const ends = { timeout: HEARTBEAT, signal: stream.signal }
    return sleepUntil<true>(this.#runtime.timers, 'waiting for credit', ends, (resolve) =>
      stream.onceRaised(() => resolve(true)),
    ).then((raised) => (raised ? undefined : EMPTY))
  }
}

/** One consumer's stream. Credit counts from its beginning, so that saying it twice is harmless. */
class Stream {
  readonly #ended = new AbortController()
  #messages: number
  #bytes: number
  #taken = { messages: 0, bytes: 0 }
  #wake: (() => void) | undefined

  constructor({ messages, bytes }: { readonly messages: number; readonly bytes: number }) {
    this.#messages = messages
    this.#bytes = bytes
  }

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  get hasCredit(): boolean {
    return this.#messages > this.#taken.messages && this.#bytes > this.#taken.bytes
  }

  get wanted(): { readonly maxMessages: number; readonly maxBytes: number } {
    return { maxMessages: this.#messages - this.#taken.messages, maxBytes: this.#bytes - this.#taken.bytes }
  }

  raise({ messages, bytes }: StreamCredit): void {
    this.#messages = Math.max(this.#messages, messages)
    this.#bytes = Math.max(this.#bytes, bytes)
    if (this.hasCredit) this.#wake?.()
  }

  onceRaised(wake: () => void): () => void {
    this.#wake = wake
    return () => {
      this.#wake = undefined
    }
  }

  take({ deliveries }: ReceiveResponse): void {
    for (const { batches } of deliveries) {
      for (const { records, ranges } of batches) {
        this.#taken.bytes += records.length
        for (let at = 0; at < ranges.length; at += 2) this.#taken.messages += ranges[at + 1]! - ranges[at]!
      }
    }
  }

  end(): void {
    this.#ended.abort(new PortalError('ABORTED', 'The stream was ended.'))
  }
}
