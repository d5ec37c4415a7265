/** The most that `prefetch: 'auto'` grows to, and the most bytes that a consumer holds. */
const MOST_MESSAGES = 4_096
export const MOST_BYTES = 16 * 2 ** 20

/** How many unsettled messages a consumer may hold: fixed, or as many as it turns out to need. */
export class PrefetchWindow {
  readonly #fixed: number | undefined
  /** A message should not wait longer than this, in milliseconds. */
  readonly #patience: number
  #concurrency = 0
  #limit = 1
  #shrunkAt = Number.NEGATIVE_INFINITY

  constructor(prefetch: 'auto' | number, lease: number) {
    this.#fixed = prefetch === 'auto' ? undefined : prefetch
    this.#patience = lease / 10
  }

  get limit(): number {
    return this.#fixed ?? this.#limit
  }

  /** A loop or a run begins, or ends. */
  changeConcurrency(by: number): void {
    this.#concurrency += by
    this.#limit =
      this.#concurrency === 0 ? 1 : Math.min(MOST_MESSAGES, Math.max(this.#limit, this.#concurrency))
  }

  /** How many to ask for, when `held` are held, of which `buffered` wait: none while there is no hurry. */
  room(held: number, buffered: number): number {
    const room = this.limit - held
    return buffered > 0 && room * 4 < this.limit ? 0 : room
  }

  /** There was more than was asked for, and it was missed: ask for more. */
  ranDry(): void {
    this.#limit = Math.min(MOST_MESSAGES, this.#limit * 2)
  }

  /** A message that came at `arrivedAt` is handed out at `now`. True: the window shrank; what it no longer covers is better given back. */
  waited(arrivedAt: number, now: number): boolean {
    if (now - arrivedAt <= this.#patience || now - this.#shrunkAt <= this.#patience) return false
    const limit = Math.max(1, this.#concurrency, Math.floor(this.#limit / 2))
    this.#shrunkAt = now
    if (this.#fixed !== undefined || limit >= this.#limit) return false
    this.#limit = limit
    return true
  }
}
