import type { Lease } from '../core/lease.js'
import { OffsetSet } from '../core/offset-set.js'
import type { Queue } from '../core/queue.js'
import { countRanges } from '../core/ranges.js'
import { Bell } from './bell.js'
import type { Cut } from './cut.js'
import type { EntryLog, Leadership } from './entry-log.js'
import { FailureJudge } from './failures.js'
import { RecentAnswers } from './recent-answers.js'
import { overdue, type PendingSettle, SettleBuilder } from './settling.js'

/** The ends of leases: what consumers settle, and leases whose time is over. */
export class SettleStage {
  /** Rings when a dying message is committed as such. */
  readonly dying = new Bell()
  readonly #lead: Leadership
  readonly #entryLog: EntryLog
  readonly #recent: RecentAnswers
  #settles: PendingSettle[] = []

  constructor(lead: Leadership, entryLog: EntryLog) {
    this.#lead = lead
    this.#entryLog = entryLog
    this.#recent = new RecentAnswers(lead.host.runtime.clock)
    // Those that the leader before has answered may be repeated after others have been.
    for (const { list } of lead.state.answers.values())
      for (const answer of list) this.#recent.remember(answer, answer.lost)
  }

  add(settle: PendingSettle): void {
    this.#settles.push(settle)
  }

  /** What waits, and will not be cut any more. */
  abandon(): PendingSettle[] {
    return this.#settles.splice(0)
  }

  cut(group: Cut): void {
    const settles = this.#settles
    if (settles.length === 0) return
    this.#settles = []
    let builder = this.#settleBuilder()
    // An answer rests on the entry that its request is part of: only once that is appended it is known what must be committed.
    const answers: (() => void)[] = []
    for (const settle of settles) {
      const answerLater = (lost: readonly (readonly number[])[]) =>
        answers.push(() =>
          group.onCommitted(
            () => settle.answer(lost),
            (error) => settle.fail(error),
          ),
        )
      if (builder.conflicts(settle)) {
        this.#appendSettles(group, builder)
        builder = this.#settleBuilder()
      }
      const known = this.#answerOf(settle)
      if (known) {
        answerLater(known)
        continue
      }
      const settings = this.#lead.topic.settings(settle.group)
      const lost = settings ? builder.add(settle, settings) : settle.parts.map((part) => part.ranges)
      if (settings) this.#recent.remember(settle, lost)
      if (settle.isHeard) this.#lead.topic.dispatchers.get(settle.group)?.heard(settle.consumer)
      answerLater(lost)
    }
    this.#appendSettles(group, builder)
    for (const answer of answers) answer()
    this.#forgetEnded(settles.filter(({ isHeard }) => !isHeard))
  }

  /** What a repeated request was answered: by this leader, or by one before it. */
  #answerOf(settle: PendingSettle): readonly (readonly number[])[] | undefined {
    const { group, consumer, number } = settle
    if (number === undefined) return undefined
    return this.#recent.find(settle) ?? this.#lead.state.findAnswer(group, consumer, number)?.lost
  }

  /** Leases that ended without word: alone, it was a failure; among several, nobody knows which (invariant 22). */
  cutOverdue(group: Cut): void {
    if (!this.#lead.times.leasesDue) return
    this.#endLeases(
      group,
      (queue) => overdue(queue, this.#lead.host.runtime.clock.monotonic()),
      'its lease ended',
    )
    this.#lead.times.leasesChecked()
  }

  /** Ends the leases of consumers that lived in this process before it started: they are gone. */
  endLocal(group: Cut, heldBy: (group: string, consumer: string) => number): void {
    this.#endLeases(
      group,
      localLeases,
      'its process ended',
      (queue, consumer) => heldBy(queue.group, consumer) > 1,
    )
  }

  #endLeases(
    group: Cut,
    find: (queue: Queue) => { token: Lease['key']; consumer: string; ranges: readonly number[] }[],
    reason: string,
    isOneOfSeveral = (queue: Queue, consumer: string) =>
      this.#lead.topic.dispatchers.get(queue.group)?.endsAmongSeveral(consumer) ??
      (queue.held.get(consumer) ?? 0) > 1,
  ): void {
    const builder = this.#settleBuilder()
    const ended: Holder[] = []
    for (const queue of this.#lead.state.queues.values()) {
      const settings = this.#lead.topic.settings(queue.group)
      if (!settings || queue.leases.size === 0) continue
      const judge = new FailureJudge(
        queue,
        settings,
        this.#lead.host.runtime.clock.now(),
        this.#lead.host.runtime.random,
      )
      for (const { token, consumer, ranges } of find(queue)) {
        ended.push({ group: queue.group, consumer })
        if (isOneOfSeveral(queue, consumer)) builder.addAll(queue, token, ranges, { type: 'suspected' })
        else builder.addEach(queue, token, ranges, (offset) => judge.fail(offset, undefined, reason))
      }
    }
    this.#appendSettles(group, builder)
    this.#forgetEnded(ended)
  }

  #forgetEnded(holders: readonly Holder[]): void {
    for (const { group, consumer } of holders) this.#lead.topic.dispatchers.get(group)?.leasesEnded(consumer)
  }

  #appendSettles(group: Cut, builder: SettleBuilder): void {
    if (builder.isEmpty) return
    this.#entryLog.append(group, { kind: 'settle', items: builder.items, answers: builder.answers })
    const groups = new Set<string>()
    let dying = false
    for (const item of builder.items) {
      groups.add(item.group)
      this.#lead.times.settled(item)
      if (item.change.type === 'rejected') dying = true
      if (item.change.type === 'discarded') {
        const { reason } = item.change
        group.onCommitted(() => this.#emitDiscarded(item.group, item.ranges, reason))
      }
    }
    for (const name of groups) this.#lead.topic.dispatchers.get(name)?.wake()
    if (dying) group.onCommitted(() => this.dying.ring())
  }

  #settleBuilder(): SettleBuilder {
    return new SettleBuilder(
      this.#lead.state,
      this.#lead.host.runtime.clock.now(),
      this.#lead.host.runtime.random,
    )
  }

  #emitDiscarded(group: string, ranges: readonly number[], reason: string): void {
    for (let offset = ranges[0]!; offset < ranges[0]! + countRanges(ranges); offset++) {
      this.#lead.host.emit('discarded', {
        topic: this.#lead.topic.name,
        partition: this.#lead.partition,
        group,
        offset,
        reason,
      })
    }
  }
}

/** Whose leases have ended. */
interface Holder {
  readonly group: string
  readonly consumer: string
}

function localLeases(queue: Queue): { token: Lease['key']; consumer: string; ranges: readonly number[] }[] {
  return [...queue.leases.values()]
    .filter((lease) => lease.local)
    .map((lease) => {
      const offsets = new OffsetSet()
      for (const term of lease.terms) term.offsets.forEachRange((start, end) => void offsets.add(start, end))
      return { token: lease.key, consumer: lease.consumer, ranges: offsets.ranges() }
    })
}
