import type { Random, Timer, Timers } from '../runtime/runtime.js'

/** Milliseconds before a failed piece of work is tried again: the first time, and at most. */
const FIRST_RETRY = 100
const LONGEST_RETRY = 2_000

export interface RefresherParts {
  readonly timers: Timers
  readonly random: Random
  /** One round. What is asked for while it runs makes another one. */
  readonly work: () => Promise<void>
  /** Called with what `work` rejects with; it is tried again after a while, unless this stops it. */
  readonly onError: (error: unknown) => void
}

/** Does its work once more whenever that was asked for since it last began, never twice at a time; tries again after failures. */
export class Refresher {
  readonly #parts: RefresherParts
  #asked = false
  #running = false
  #stopped = false
  #failures = 0
  #retry: Timer | undefined

  constructor(parts: RefresherParts) {
    this.#parts = parts
  }

  request(): void {
    this.#asked = true
    if (!this.#running && !this.#stopped && this.#retry === undefined) void this.#run()
  }

  /** Nothing begins after this; what runs is not waited for. */
  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#asked && !this.#stopped) {
      this.#asked = false
      try {
        await this.#parts.work()
        this.#failures = 0
      } catch (error) {
        if (this.#stopped) break
        this.#asked = true
        this.#parts.onError(error)
        this.#retryLater()
        break
      }
    }
    this.#running = false
  }

  #retryLater(): void {
    if (this.#stopped) return
    const { timers, random } = this.#parts
    const full = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(this.#failures++, 10))
    this.#retry = timers.setTimeout(
      () => {
        this.#retry = undefined
        if (!this.#stopped) void this.#run()
      },
      full * (0.5 + random.float() / 2),
    )
  }
}
