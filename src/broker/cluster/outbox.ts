import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  Incarnation,
  PeerService,
  PushedDocument,
  UpdateRequest,
  UpdateResponse,
} from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import type { Random, Timers } from '../../runtime/runtime.js'
import { Ending } from './ending.js'
import { nextTry, withTimeout } from './timing.js'

/** What goes in one request at most. A document may be larger than the limit of characters: it then goes alone. */
const MAX_DOCUMENTS = 500
const MAX_CHARACTERS = 512 * 1024
/** After so many failures in a row, about 20 seconds, what may pass by itself is told to a person: one that died is no member any more by then. */
const STALLED = 16

export interface OutboxParts {
  readonly timers: Timers
  readonly random: Random
  readonly cluster: string
  readonly from: Incarnation
  readonly term: number
  /** Milliseconds. */
  readonly timeout: number
  /** Rises over all requests of the term. */
  readonly nextSequence: () => number
  /** The receiver knows of a higher term, or is not who it is taken for. */
  readonly onRefused: () => void
  readonly onAnswer: (to: Incarnation, answer: UpdateResponse) => void
  readonly onError: (error: unknown) => void
}

/**
 * What one life of a broker is yet to be told. Of each document only the newest waits; those that wait go in the order of their last
 * change, one request at a time, each until it succeeds.
 */
export class Outbox {
  readonly to: Incarnation
  readonly peer: PeerService
  readonly #url: string
  readonly #parts: OutboxParts
  readonly #waiting = new Map<string, PushedDocument>()
  readonly #ending = new Ending()
  #running = false

  constructor(parts: OutboxParts, to: Incarnation, peer: PeerService, url: string) {
    this.#parts = parts
    this.to = to
    this.peer = peer
    this.#url = url
  }

  push(document: PushedDocument): void {
    if (this.#ending.isOver) return
    this.#waiting.delete(document.path)
    this.#waiting.set(document.path, document)
    if (this.#running) return
    this.#running = true
    // Whatever this turn still brings goes along.
    queueMicrotask(() => void this.#run())
  }

  /** The broker is gone, or the term is over. */
  close(): void {
    this.#ending.end()
    this.#waiting.clear()
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) await this.#send(this.#takeBatch())
    this.#running = false
  }

  async #send(documents: readonly PushedDocument[]): Promise<void> {
    const { timers, random, cluster, from, term, nextSequence } = this.#parts
    const request: UpdateRequest = { cluster, from, to: this.to, term, sequence: nextSequence(), documents }
    const over = this.#ending
    for (let failures = 1; !over.isOver; failures++) {
      try {
        const answer = await withTimeout(timers, this.#parts.timeout, over, (signal) => {
          return this.peer.update(request, { signal })
        })
        if (!over.isOver) this.#parts.onAnswer(this.to, answer)
        return
      } catch (error) {
        if (over.isOver) return
        if (isPortalError(error, 'NOT_LEADER')) this.#parts.onRefused()
        else if (failures === (isPassing(error) ? STALLED : 1)) this.#parts.onError(this.#stalled(error))
      }
      await pause(timers, nextTry(failures, random), over.signal)
    }
  }

  /** Never DISCONNECTED: that stands for the coordination service, which comes back by itself. */
  #stalled(error: unknown): unknown {
    if (!isPortalError(error)) return error
    const code = error.code === 'DISCONNECTED' ? 'TIMEOUT' : error.code
    return new PortalError(
      code,
      `Broker ${this.to.broker} at ${this.#url} lives, but this controller cannot tell it anything: ${error.message} Until it can, that broker leads and follows nothing new. Look at the network between them, and at its --advertise, certificate and --cluster-secret-file.`,
      { cause: error },
    )
  }

  #takeBatch(): PushedDocument[] {
    const batch: PushedDocument[] = []
    let characters = 0
    for (const document of this.#waiting.values()) {
      characters += document.path.length + (document.text?.length ?? 0)
      if (batch.length === MAX_DOCUMENTS || (characters > MAX_CHARACTERS && batch.length > 0)) break
      batch.push(document)
    }
    for (const { path } of batch) this.#waiting.delete(path)
    return batch
  }
}

function isPassing(error: unknown): boolean {
  return isPortalError(error) && (error.retriable || error.code === 'CLOSED' || error.code === 'ABORTED')
}
