import { OffsetSet } from '../core/offset-set.js'
import type { Clock } from '../runtime/runtime.js'
import type { PendingSettle } from './settling.js'

/** For how long the answers to a silent consumer are remembered (ms): longer than it repeats a request. */
const LIFETIME = 180_000
/** Answers of one consumer. Twice as many may be remembered, in 64 kB. */
const MOST = 65_536
const MOST_WINDOWS = 64
const MOST_WITH_LOSSES = 1_024

type Asked = Pick<PendingSettle, 'group' | 'consumer' | 'number'>
type Lost = readonly (readonly number[])[]

/** Of one consumer, the later or the earlier half. */
interface Half {
  /** The numbers of requests that lost nothing. */
  readonly whole: OffsetSet
  readonly withLosses: Map<number, Lost>
}

/**
 * The answers that a leader has given to numbered settle requests, and those that it has found. The state that all replicas have holds the last few of
 * each consumer: enough where leadership moves, at that moment. But a request waits for its slowest partition, ten seconds where that does not answer,
 * and meanwhile others of the same consumer go through by the thousand: when it is repeated, what succeeded must not read as lost.
 */
export class RecentAnswers {
  readonly #clock: Clock
  /** In the order of their last request. */
  readonly #consumers = new Map<string, { young: Half; old: Half; usedAt: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The lost ranges of each part, if this request was answered before. */
  find({ group, consumer, number, parts }: PendingSettle): Lost | undefined {
    const known = number === undefined ? undefined : this.#consumers.get(keyOf(group, consumer))
    if (number === undefined || known === undefined) return undefined
    for (const { whole, withLosses } of [known.young, known.old]) {
      if (whole.has(number)) return parts.map(() => [])
      const lost = withLosses.get(number)
      if (lost !== undefined) return lost
    }
    return undefined
  }

  remember({ group, consumer, number }: Asked, lost: Lost): void {
    if (number === undefined) return
    const usedAt = this.#clock.monotonic()
    const key = keyOf(group, consumer)
    const known = this.#consumers.get(key) ?? { young: half(), old: half(), usedAt }
    this.#consumers.delete(key)
    this.#consumers.set(key, known)
    known.usedAt = usedAt
    const { whole, withLosses } = known.young
    if (lost.every((ranges) => ranges.length === 0)) whole.add(number)
    else withLosses.set(number, lost)
    if (whole.size >= MOST || whole.fragments >= MOST_WINDOWS || withLosses.size >= MOST_WITH_LOSSES) {
      known.old = known.young
      known.young = half()
    }
    for (const [other, { usedAt: then }] of this.#consumers) {
      if (then + LIFETIME > usedAt) break
      this.#consumers.delete(other)
    }
  }
}

function half(): Half {
  return { whole: new OffsetSet(), withLosses: new Map() }
}

function keyOf(group: string, consumer: string): string {
  return `${group}\n${consumer}`
}
