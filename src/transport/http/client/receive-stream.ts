import { abortedError, type PortalError } from '../../../core/errors.js'
import type { CallOptions, ReceiveResponse, StreamRequest, StreamService } from '../../../protocol/service.js'
import { encodeStreamRequest, FrameReader } from '../../../protocol/wire/stream.js'
import { onAbort } from '../../../runtime/on-abort.js'
import type { Timer, Timers } from '../../../runtime/runtime.js'
import type { Pieces } from './send.js'

/** How long a stream that was ended may still take to end (ms). */
const PATIENCE = 2_000

/** How long a stream may be silent: the server says something more often (ms). */
const HEARTBEAT = 15_000

/** What streams need of the service whose part they are. */
export interface StreamParts {
  readonly timers: Timers
  /** Posts bytes, and resolves when the answer is over. `silence`: milliseconds for which it may say nothing. */
  post(path: string, body: Uint8Array, call: CallOptions, silence: number, onPiece: Pieces): Promise<unknown>
  ask<T>(method: string, path: string, body?: object, call?: CallOptions): Promise<T>
  /** The path of a group. */
  groupOf(request: { readonly topicId: string; readonly group: string }): string
  /** What the broker failed with, as it is to be taken here. */
  translate(error: PortalError): PortalError
}

export type OpenStreams = (parts: StreamParts) => StreamService

/** The calls of streams over HTTP; only where the carrier hands over pieces as they come. */
export const openStreams: OpenStreams = (parts) => {
  const endStream: StreamService['endStream'] = ({ stream }, call) =>
    parts.ask('DELETE', `/streams/${stream}`, undefined, call)
  return {
    receiveStream: (request, call) => openStream(request, call, parts, () => endStream(request)),
    addCredit: ({ stream, ...credit }, call) => parts.ask('PUT', `/streams/${stream}/credit`, credit, call),
    endStream,
  }
}

/**
 * The answers of a stream. When the signal aborts the broker is asked to end it, and what it had granted by then still comes: only who listens
 * here can give it back.
 */
async function* openStream(
  request: StreamRequest,
  call: CallOptions | undefined,
  { timers, post, groupOf, translate }: StreamParts,
  end: () => Promise<void>,
): AsyncGenerator<ReceiveResponse, void, undefined> {
  const signal = call?.signal
  if (signal?.aborted) throw abortedError('The call receiveStream', signal)
  const answers = new Answers()
  const cut = new AbortController()
  let patience: Timer | undefined
  const forget = onAbort(signal, () => {
    const giveUp = () => cut.abort(signal?.reason)
    patience = timers.setTimeout(giveUp, PATIENCE)
    end().catch(giveUp)
  })
  const frames = new FrameReader()
  const onPiece = (piece: Uint8Array): void => {
    try {
      for (const answer of frames.push(piece)) answers.push(answer)
    } catch (error) {
      answers.finish(translate(error as PortalError))
      cut.abort()
    }
  }
  const body = encodeStreamRequest(request)
  post(`${groupOf(request)}/stream`, body, { ...call, signal: cut.signal }, HEARTBEAT, onPiece).then(
    () => answers.finish(undefined),
    (error) => answers.finish(error),
  )
  try {
    for (;;) {
      const answer = await answers.next()
      if (answer === undefined) return
      yield answer
    }
  } finally {
    cut.abort()
    patience?.cancel()
    forget()
  }
}

/** Answers in their order, for one who takes them one by one. Their number is bounded by the stream's credit. */
class Answers {
  readonly #waiting: ReceiveResponse[] = []
  #isOver = false
  #error: unknown
  #wake: (() => void) | undefined

  push(answer: ReceiveResponse): void {
    this.#waiting.push(answer)
    this.#wake?.()
  }

  finish(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    this.#wake?.()
  }

  /** Undefined at the end; rejects with what the stream ended with. */
  async next(): Promise<ReceiveResponse | undefined> {
    while (this.#waiting.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const answer = this.#waiting.shift()
    if (answer === undefined && this.#error !== undefined) throw this.#error
    return answer
  }
}
