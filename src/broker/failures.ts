import type { SettleChange } from '../core/entry-body.js'
import type { Queue } from '../core/queue.js'
import type { BackoffSettings, GroupSettings } from '../protocol/groups.js'
import type { Random } from '../runtime/runtime.js'

/** How long a reason may be: it is kept with the message's state. */
const REASON_LENGTH = 512
/** A hundred years, in milliseconds: what is further away is no time that could be written down. */
export const LONGEST_DELAY = 100 * 365 * 86_400_000

/** What becomes of messages that have just failed; decided once, by the leader, and written down. */
export class FailureJudge {
  readonly #queue: Queue
  readonly #settings: GroupSettings
  readonly #now: number
  readonly #random: Random
  #sequence: number

  /** `now`: ms since the Unix epoch. */
  constructor(queue: Queue, settings: GroupSettings, now: number, random: Random) {
    this.#queue = queue
    this.#settings = settings
    this.#now = now
    this.#random = random
    this.#sequence = queue.nextDyingSequence
  }

  /** A failed delivery: it comes back after `delay` (ms; undefined: the group's backoff), or dies. */
  fail(offset: number, delay: number | undefined, reason: string): SettleChange {
    const failures = (this.#queue.troubles.get(offset)?.failures ?? 0) + 1
    if (failures >= this.#settings.maxDeliveries) return this.reject(reason || `failed ${failures} times`)
    const asked = delay ?? backoffDelay(this.#settings.backoff, failures, this.#random)
    const wait = Math.min(asked, LONGEST_DELAY)
    return { type: 'retry', due: Math.ceil(this.#now + wait), reason: reason.slice(0, REASON_LENGTH) }
  }

  reject(reason: string): SettleChange {
    const kept = reason.slice(0, REASON_LENGTH)
    if (this.#settings.deadLetter === false) return { type: 'discarded', reason: kept }
    return { type: 'rejected', sequence: this.#sequence++, reason: kept }
  }
}

/** initial × factor^(failures − 1), at most max, ± jitter; in ms. */
export function backoffDelay(backoff: BackoffSettings, failures: number, random: Random): number {
  // Nothing times whatever it has grown to, which may be without end.
  if (backoff.initial === 0) return 0
  const plain = Math.min(backoff.max, backoff.initial * backoff.factor ** (failures - 1))
  return plain * (1 + backoff.jitter * (2 * random.float() - 1))
}
