import type { Clock } from '../../runtime/runtime.js'

/** What is taken at once is paid for within so many seconds: whoever waits for a few others is not held for long. */
const LONGEST = 1 / 16

/** Bytes that may be fetched, and from when on (monotonic ms). */
export interface Share {
  readonly bytes: number
  readonly from: number
}

/** Holds what is fetched below a number of bytes a second, over all who share it, each in its turn. */
export class Throttle {
  readonly #clock: Clock
  readonly #rate: number
  /** When all shares are paid for (monotonic ms). */
  #paidAt = Number.NEGATIVE_INFINITY

  /** `rate`: bytes a second. */
  constructor(clock: Clock, rate: number) {
    this.#clock = clock
    this.#rate = rate
  }

  /** A share of `most` bytes or fewer, after all that others have. */
  reserve(most: number): Share {
    const bytes = Math.min(most, Math.ceil(this.#rate * LONGEST))
    const from = Math.max(this.#paidAt, this.#clock.monotonic())
    this.#paidAt = from + this.#priceOf(bytes)
    return { bytes, from }
  }

  /** Whole milliseconds until it may be fetched. */
  delay({ from }: Share): number {
    return Math.max(0, Math.ceil(from - this.#clock.monotonic()))
  }

  /** What came of it: less, or one entry that is larger. */
  settle({ bytes }: Share, payloads: Iterable<Uint8Array>): void {
    let came = 0
    for (const { length } of payloads) came += length
    this.#paidAt += this.#priceOf(came - bytes)
  }

  #priceOf(bytes: number): number {
    return (bytes / this.#rate) * 1_000
  }
}
