import { TransientSet } from '../../core/transient-set.js'
import type { Outgoing } from './outgoing.js'

/** Bounds what a producer holds: messages beyond `limit` bytes wait here, in order, and at most as many bytes again. */
export class WaitingRoom {
  readonly limit: number
  /** Bytes admitted and not yet decided. */
  #held = 0
  #waitingBytes = 0
  readonly #waiting = new TransientSet<Outgoing>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** What happens to a message that comes now. */
  admit(outgoing: Outgoing): 'go' | 'wait' | 'refused' {
    if (this.#waiting.size === 0 && this.#fits(outgoing.bytes)) {
      this.#held += outgoing.bytes
      return 'go'
    }
    if (this.#waiting.size > 0 && this.#waitingBytes + outgoing.bytes > this.limit) return 'refused'
    this.#waitingBytes += outgoing.bytes
    this.#waiting.add(outgoing)
    return 'wait'
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  /** The next one that fits by now. */
  next(): Outgoing | undefined {
    const outgoing = this.oldest
    if (outgoing === undefined || !this.#fits(outgoing.bytes)) return undefined
    this.#held += outgoing.bytes
    return this.take()
  }

  /** Nothing admitted is undecided, and nothing waits. */
  get isIdle(): boolean {
    return this.#held === 0 && this.#waiting.size === 0
  }

  get oldest(): Outgoing | undefined {
    return this.#waiting.first
  }

  /** Takes the oldest out, whether or not there is room. */
  take(): Outgoing | undefined {
    const outgoing = this.oldest
    if (outgoing === undefined) return undefined
    this.#waitingBytes -= outgoing.bytes
    this.#waiting.delete(outgoing)
    return outgoing
  }

  /** One message may be larger than the limit: it goes alone. */
  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.limit
  }
}
