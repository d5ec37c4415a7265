import type { Timer, Timers } from '../runtime/runtime.js'
import type { LockToken } from './lock-queue.js'
import { WaitLimit } from './wait-limit.js'

/**
 * How long a place is kept for who waits in polls, between the end of one and the next: enough for a connection that has to be made anew. Where the
 * lock comes free meanwhile, the others wait as long.
 */
export const GRACE = 3_000

/** A call that waits in the name of a wait. */
export interface Attender {
  /** Milliseconds that the lock is to last. */
  readonly ttl: number
  readonly limit: WaitLimit
  readonly resolve: (grant: LockToken) => void
  readonly reject: (error: unknown) => void
}

/** A wait that is longer than the calls that make it: it ends when it is given up, or no call has been there for the grace. */
export class NamedWait {
  /** Of the wait as a whole. */
  readonly limit: WaitLimit
  readonly #timers: Timers
  #attender: Attender | undefined
  #grace: Timer | undefined
  #wake = () => {}

  constructor(timers: Timers, what: string) {
    this.#timers = timers
    this.limit = new WaitLimit(timers, { what, wait: Infinity, signal: undefined })
    this.limit.onEnd(() => {
      this.#grace?.cancel()
      this.#attender?.limit.endWith(this.limit.end!)
      this.#wake()
    })
  }

  /** A call waits for it from now on. One that still did, of which this may be a copy, ends: one of the two is listened to, and asks again. */
  attend(attender: Attender): void {
    const before = this.#attender
    this.#attender = attender
    this.#grace?.cancel()
    before?.limit.endWith('timeout')
    attender.limit.onEnd(() => this.#left(attender))
    this.#wake()
  }

  /** The call that waits; sleeps while there is none. Undefined once the wait has ended. */
  async attended(): Promise<Attender | undefined> {
    while (this.#attender === undefined && this.limit.end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.limit.end === undefined ? this.#attender : undefined
  }

  /** It cannot go on. */
  fail(error: unknown): void {
    this.#attender?.reject(error)
  }

  /** What was waited for has come, or never will. */
  dispose(): void {
    this.#grace?.cancel()
    this.limit.dispose()
  }

  #left(attender: Attender): void {
    if (this.#attender !== attender || this.limit.end !== undefined) return
    this.#attender = undefined
    this.#grace = this.#timers.setTimeout(() => this.limit.endWith('timeout'), GRACE)
  }
}
