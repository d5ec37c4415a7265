import { abortedError, type PortalError } from '../../../core/errors.js'
import type { ReceiveResponse, StreamRequest } from '../../../protocol/service.js'
import { encodeStreamRequest, FrameReader } from '../../../protocol/wire/stream.js'
import type { Timer, Timers } from '../../../runtime/runtime.js'
import type { Pieces } from './send.js'

/** How long a stream that was ended may still take to end (ms). */
const PATIENCE = 2_000

/** What a stream needs of the service whose part it is. */
export interface StreamParts {
  readonly timers: Timers
  /** Posts the request, and resolves when the answer is over. */
  post(body: Uint8Array, onPiece: Pieces, signal: AbortSignal): Promise<unknown>
  /** Asks the broker to end the stream. */
  end(): Promise<unknown>
  /** What the broker failed with, as it is to be taken here. */
  translate(error: PortalError): PortalError
}

/** Opens a stream over HTTP; only where the carrier hands over pieces as they come. */
export type OpenStream = typeof openStream

/**
 * The answers of a stream. When the signal aborts the broker is asked to end it, and what it had granted by then still comes: only who listens
 * here can give it back.
 */
export async function* openStream(
  request: StreamRequest,
  signal: AbortSignal | undefined,
  { timers, post, end, translate }: StreamParts,
): AsyncGenerator<ReceiveResponse, void, undefined> {
  if (signal?.aborted) throw abortedError('The call receiveStream', signal)
  const answers = new Answers()
  const cut = new AbortController()
  let patience: Timer | undefined
  const onAbort = (): void => {
    const giveUp = () => cut.abort(signal?.reason)
    patience = timers.setTimeout(giveUp, PATIENCE)
    end().catch(giveUp)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  const frames = new FrameReader()
  const onPiece = (piece: Uint8Array): void => {
    try {
      for (const answer of frames.push(piece)) answers.push(answer)
    } catch (error) {
      answers.finish(translate(error as PortalError))
      cut.abort()
    }
  }
  post(encodeStreamRequest(request), onPiece, cut.signal).then(
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
    signal?.removeEventListener('abort', onAbort)
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
