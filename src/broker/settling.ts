import type { SettleAnswer, SettleChange, SettleItem } from '../core/entry-body.js'
import type { PortalError } from '../core/errors.js'
import { leaseNumber } from '../core/lease.js'
import { OffsetSet } from '../core/offset-set.js'
import type { PartitionState } from '../core/partition-state.js'
import { type Queue, splitHeld } from '../core/queue.js'
import { pushRange } from '../core/ranges.js'
import type { GroupSettings } from '../protocol/groups.js'
import type { LeaseToken, SettleOutcome } from '../protocol/service.js'
import type { Random } from '../runtime/runtime.js'
import { FailureJudge, LONGEST_DELAY } from './failures.js'

/** One consumer's settle request, as far as it concerns one partition. */
export interface PendingSettle {
  readonly group: string
  readonly generation: number
  readonly consumer: string
  /** False: the broker gives back what was granted to a consumer that has gone, which is no word of it. */
  readonly isHeard: boolean
  /** Undefined: an answer cannot be lost on its way, so it need not be remembered. */
  readonly number: number | undefined
  readonly parts: readonly SettlePart[]
  /** Called once what it rests on is committed, with the lost ranges of each part. */
  answer(lost: readonly (readonly number[])[]): void
  fail(error: PortalError): void
}

export interface SettlePart {
  readonly token: LeaseToken
  readonly outcome: SettleOutcome
  readonly ranges: readonly number[]
  readonly delay: number | undefined
  readonly reason: string | undefined
}

/** Gathers settlements into one entry. */
export class SettleBuilder {
  items: SettleItem[] = []
  answers: SettleAnswer[] = []
  /**
   * Leases that the entry changes, and requests that it answers: another request for one of them, or the same once more, must
   * see it applied first.
   */
  readonly #touched = new Set<string>()
  /** One for each queue: the dying of all requests stand in one line. */
  readonly #judges = new Map<Queue, FailureJudge>()
  readonly #state: PartitionState
  readonly #now: number
  readonly #random: Random

  constructor(state: PartitionState, now: number, random: Random) {
    this.#state = state
    this.#now = now
    this.#random = random
  }

  get isEmpty(): boolean {
    return this.items.length === 0 && this.answers.length === 0
  }

  conflicts(request: PendingSettle): boolean {
    if (request.number !== undefined && this.#touched.has(answerKey(request))) return true
    return request.parts.some((part) => this.#touched.has(touchKey(request.group, part.token)))
  }

  /** Adds a request; returns the lost ranges of each part. */
  add(request: PendingSettle, settings: GroupSettings): number[][] {
    const queue = this.#state.queues.get(request.group)
    const judge = queue && this.#judge(queue, settings)
    const lost: number[][] = []
    const used = new Set<string>()
    const spent = request.parts.length > 1 ? new Map<string, OffsetSet>() : undefined
    for (const part of request.parts) {
      const lease = queue?.generation === request.generation ? queue.findLease(part.token) : undefined
      const key = touchKey(request.group, part.token)
      const held = splitHeld(lease?.consumer === request.consumer ? lease : undefined, part.ranges)
      const split = withoutSpent(held, spent?.get(key))
      lost.push(split.lost)
      if (split.held.length === 0 || !queue || !judge) continue
      used.add(key)
      // What is extended is held still: its ack may be in the same request.
      if (spent && part.outcome !== 'extend') spend(spent, key, split.held)
      this.#addPart(queue, part, split.held, judge)
    }
    for (const key of used) this.#touched.add(key)
    if (request.number !== undefined) {
      this.#touched.add(answerKey(request))
      this.answers.push({ group: request.group, consumer: request.consumer, number: request.number, lost })
    }
    return lost
  }

  /** Changes that may differ from message to message; neighbours with the same change are one item. */
  addEach(
    queue: Queue,
    token: LeaseToken,
    ranges: readonly number[],
    change: (offset: number) => SettleChange,
  ): void {
    for (let at = 0; at < ranges.length; at += 2) {
      for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) {
        this.items.push({
          group: queue.group,
          lease: token,
          change: change(offset),
          ranges: [offset, offset + 1],
        })
      }
    }
  }

  addAll(queue: Queue, token: LeaseToken | undefined, ranges: readonly number[], change: SettleChange): void {
    this.items.push({ group: queue.group, lease: token, change, ranges })
  }

  #judge(queue: Queue, settings: GroupSettings): FailureJudge {
    let judge = this.#judges.get(queue)
    if (!judge) {
      judge = new FailureJudge(queue, settings, this.#now, this.#random)
      this.#judges.set(queue, judge)
    }
    return judge
  }

  #addPart(queue: Queue, part: SettlePart, held: readonly number[], judge: FailureJudge): void {
    switch (part.outcome) {
      case 'ack':
        this.addAll(queue, part.token, held, { type: 'acked' })
        break
      case 'release':
        this.addAll(queue, part.token, held, { type: 'released' })
        break
      case 'extend':
        this.addAll(queue, part.token, held, {
          type: 'extended',
          duration: Math.ceil(Math.min(part.delay ?? 0, LONGEST_DELAY)),
        })
        break
      case 'nack':
        this.addEach(queue, part.token, held, (offset) => judge.fail(offset, part.delay, part.reason ?? ''))
        break
      case 'reject':
        this.addEach(queue, part.token, held, () => judge.reject(part.reason ?? ''))
        break
    }
  }
}

/** The ranges of a lease whose time is over at `monotonic`, and the earliest deadline that is left. */
export function overdue(
  queue: Queue,
  monotonic: number,
): { token: LeaseToken; consumer: string; ranges: number[] }[] {
  const found: { token: LeaseToken; consumer: string; ranges: number[] }[] = []
  for (const lease of queue.leases.values()) {
    const ended = new OffsetSet()
    for (const term of lease.terms) {
      if (term.deadline <= monotonic) term.offsets.forEachRange((start, end) => void ended.add(start, end))
    }
    if (ended.isEmpty) continue
    const ranges = ended.ranges()
    found.push({ token: lease.key, consumer: lease.consumer, ranges })
  }
  return found
}

interface Split {
  readonly held: readonly number[]
  readonly lost: number[]
}

/** A request that ends a message's lease has lost it from then on. */
function withoutSpent(split: Split, spent: OffsetSet | undefined): Split {
  if (!spent) return split
  const held: number[] = []
  const lost = new OffsetSet()
  for (let at = 0; at < split.lost.length; at += 2) lost.add(split.lost[at]!, split.lost[at + 1]!)
  for (let at = 0; at < split.held.length; at += 2) {
    for (let offset = split.held[at]!; offset < split.held[at + 1]!; offset++) {
      if (spent.has(offset)) lost.add(offset)
      else pushRange(held, offset, offset + 1)
    }
  }
  return { held, lost: lost.ranges() }
}

function spend(all: Map<string, OffsetSet>, key: string, ranges: readonly number[]): void {
  const spent = all.get(key) ?? new OffsetSet()
  for (let at = 0; at < ranges.length; at += 2) spent.add(ranges[at]!, ranges[at + 1]!)
  all.set(key, spent)
}

function answerKey({ number, group, consumer }: PendingSettle): string {
  return `#${number} ${group} ${consumer}`
}

function touchKey(group: string, token: LeaseToken): string {
  return `${leaseNumber(token)} ${group}`
}
