import type { Runtime, Timer } from '../../runtime/runtime.js'

/** One timer for all deadlines of a producer; none while nothing is pending. */
export class Deadlines {
  readonly #runtime: Runtime
  readonly #timeout: number
  /** Gives up what is due, and says (monotonic) what is due next; Infinity: nothing is. */
  readonly #expire: (now: number) => number
  #timer: Timer | undefined

  constructor(runtime: Runtime, timeout: number, expire: (now: number) => number) {
    this.#runtime = runtime
    this.#timeout = timeout
    this.#expire = expire
  }

  /** Something is pending whose deadline is one timeout from now, or later. */
  begin(): void {
    this.#timer ??= this.#runtime.timers.setTimeout(this.#fire, this.#timeout)
  }

  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    const now = this.#runtime.clock.monotonic()
    const next = this.#expire(now)
    // Timers may fire a little early: never again within the same millisecond.
    if (next < Number.POSITIVE_INFINITY)
      this.#timer ??= this.#runtime.timers.setTimeout(this.#fire, Math.max(1, next - now))
  }
}
