import type { Runtime, Timer } from '../runtime/runtime.js'
import type { LockPlace } from './lock-queue.js'
import { LONGEST_TIMER } from './wait-limit.js'

export interface HeldLockParts {
  readonly name: string
  readonly token: number
  /** Milliseconds. */
  readonly ttl: number
  readonly place: LockPlace
}

/** A lock that somebody holds until its deadline by the monotonic clock: jumps of the wall clock neither end nor prolong it. */
export class HeldLock {
  readonly name: string
  readonly token: number
  readonly place: LockPlace
  readonly #ttl: number
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly #onExpiry: () => void
  #deadline: number
  #timer: Timer

  constructor(parts: HeldLockParts, runtime: Pick<Runtime, 'clock' | 'timers'>, onExpiry: () => void) {
    this.name = parts.name
    this.token = parts.token
    this.place = parts.place
    this.#ttl = parts.ttl
    this.#runtime = runtime
    this.#onExpiry = onExpiry
    this.#deadline = runtime.clock.monotonic() + parts.ttl
    this.#timer = this.#arm()
  }

  isOver(): boolean {
    return this.#runtime.clock.monotonic() >= this.#deadline
  }

  renewFrom(instant: number): void {
    this.#deadline = Math.max(this.#deadline, instant + this.#ttl)
    this.#timer.cancel()
    this.#timer = this.#arm()
  }

  dispose(): void {
    this.#timer.cancel()
  }

  #arm(): Timer {
    const left = Math.min(Math.max(this.#deadline - this.#runtime.clock.monotonic(), 0), LONGEST_TIMER)
    // Whole milliseconds, rounded up: a timer that fires a fraction early would spin.
    return this.#runtime.timers.setTimeout(() => {
      if (this.isOver()) this.#onExpiry()
      else this.#timer = this.#arm()
    }, Math.ceil(left))
  }
}
