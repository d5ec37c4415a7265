import { PortalError } from '../../core/errors.js'
import type { FollowerProgress } from '../../core/replication.js'
import type { Clock, Timers } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Bell } from '../bell.js'
import { SESSION_CHECK } from './high-watermark.js'

export interface RoundsHost {
  readonly log: string
  readonly clock: Clock
  readonly timers: Timers
  /** Rings when a follower has asked, which may say of which round it has heard. */
  readonly heard: Bell
  /** All without whom nothing is committed, besides this leader. */
  counting(): readonly FollowerProgress[]
  sessionHolds(): boolean
  closed(): PortalError | undefined
  /** A round has begun: those who wait for news are told of it. */
  begun(): void
}

/** How long a leader waits for a sign that it is one still (ms). */
const CONFIRMING = 5_000

/**
 * How a leader makes certain that nobody else leads. Whoever could is among those that count, and follows no more: once all of them have heard of
 * a round, nobody led when it began.
 */
export class Rounds {
  readonly #host: RoundsHost
  #last = 0

  constructor(host: RoundsHost) {
    this.#host = host
  }

  get last(): number {
    return this.#last
  }

  /** Begins a round; resolves when all have heard of it. NOT_LEADER if they do not in time. */
  async confirm(): Promise<void> {
    const { clock, timers, heard, log } = this.#host
    const round = ++this.#last
    const until = clock.monotonic() + CONFIRMING
    this.#host.begun()
    while (!this.#isHeard(round)) {
      const closed = this.#host.closed()
      if (closed) throw closed
      const left = until - clock.monotonic()
      if (left <= 0) {
        throw new PortalError(
          'NOT_LEADER',
          `Not all replicas of ${log} that are in sync have said within ${CONFIRMING / 1_000} seconds that they follow this broker still: look the topic up again.`,
        )
      }
      // Who is in sync, and whether a session holds, may change without a word of followers.
      const ends = { timeout: Math.min(left, SESSION_CHECK) }
      await sleepUntil<true>(timers, 'confirming', ends, (resolve) => heard.once(() => resolve(true)))
    }
  }

  #isHeard(round: number): boolean {
    if (this.#host.closed()) return false
    const counting = this.#host.counting()
    if (counting.length === 0) return this.#host.sessionHolds()
    return counting.every((progress) => progress.round >= round)
  }
}
