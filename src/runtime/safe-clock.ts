import type { Clock } from './runtime.js'

/** A jump of the wall clock against the monotonic one that is not believed at once (ms). */
const JUMP = 60_000
/** How long it must hold to be believed (ms). */
const HOLD = 3_600_000

/**
 * The clock by which things are removed: the wall clock, but a sudden jump of more than a minute (a wrong setting, a virtual
 * machine resumed) must hold for an hour before anything expires by it.
 */
export class SafeClock {
  readonly #clock: Clock
  #offset: number
  #jumpedAt: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = clock.now() - clock.monotonic()
  }

  /** Milliseconds since the Unix epoch, whole. */
  now(): number {
    const monotonic = this.#clock.monotonic()
    const offset = this.#clock.now() - monotonic
    if (Math.abs(offset - this.#offset) <= JUMP) {
      this.#offset = offset
      this.#jumpedAt = undefined
    } else {
      this.#jumpedAt ??= monotonic
      if (monotonic - this.#jumpedAt >= HOLD) {
        this.#offset = offset
        this.#jumpedAt = undefined
      }
    }
    return Math.floor(monotonic + this.#offset)
  }
}
