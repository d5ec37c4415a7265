import { isPortalError, PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { Settlement, SettleOutcome, StreamCredit } from '../../protocol/service.js'
import { untilItSucceeds } from '../backoff.js'
import { asPortalError, closedReason } from '../client-side.js'
import type { HeldLease } from './held-batch.js'
import { leaseLost } from './lease-lost.js'
import { contains } from './ranges.js'
import { SettleGroup } from './settle-group.js'

/** Requests to one leader that are under way at the same time. */
const MAX_REQUESTS = 2
/** Promises resolved in one turn. */
const PER_TURN = 500
/** Milliseconds for which a settlement is tried; its lease is long over by then. */
const GIVE_UP_AFTER = 120_000

interface Request {
  readonly groups: readonly SettleGroup[]
  /** Who is asked. */
  readonly leader: unknown
  readonly done: Promise<void>
}

/** What a settler tells the consumer's engine. */
export interface SettlerEvents {
  /** There is something to send at the end of the turn. */
  pending(): void
  /** The lease of these messages was lost before. */
  lost(lease: HeldLease, ranges: readonly number[]): void
  /** What was extended quietly has its lease until `deadline` (monotonic). */
  extended(lease: HeldLease, ranges: readonly number[], deadline: number): void
}

/**
 * Sends settlements: everything of a turn, and everything that comes while requests are under way, in one request to each leader. A request is
 * repeated under its number until it has an answer.
 */
export class Settler {
  readonly #side: ClientSide
  readonly #consumerId: string
  readonly #group: string
  readonly #events: SettlerEvents
  #pending: SettleGroup[] = []
  /** Those that may take more. A new one for each request: `clear` would keep what it held, as TransientSet says. */
  #byLease = new Map<HeldLease, SettleGroup[]>()
  /** The group that was added to last: mostly the next one's too. */
  #latest: SettleGroup | undefined
  #number = 0
  readonly #requests = new TransientSet<Request>()
  readonly #idle: (() => void)[] = []
  #toResolve: SettleGroup[] = []
  #resolveFrom = 0
  #resolveDeferred = false
  #resolve!: () => void
  #reject!: (error: PortalError) => void
  readonly #executor = (resolve: () => void, reject: (error: PortalError) => void): void => {
    this.#resolve = resolve
    this.#reject = reject
  }

  constructor(
    side: ClientSide,
    names: { readonly consumerId: string; readonly group: string },
    events: SettlerEvents,
  ) {
    this.#side = side
    this.#consumerId = names.consumerId
    this.#group = names.group
    this.#events = events
  }

  /** Settles a message that somebody may wait for. */
  settle(
    lease: HeldLease,
    offset: number,
    outcome: SettleOutcome,
    delay: number | undefined,
    reason: string | undefined,
  ): Promise<void> {
    const group = this.#groupOf(lease, outcome, delay, reason)
    group.add(offset)
    const promise = new Promise<void>(this.#executor)
    group.offsets.push(offset)
    group.promises.push(promise)
    group.resolves.push(this.#resolve)
    group.rejects.push(this.#reject)
    return promise
  }

  /** Settles without telling anybody. */
  settleQuietly(
    lease: HeldLease,
    offset: number,
    outcome: SettleOutcome,
    delay?: number | undefined,
    reason?: string | undefined,
  ): void {
    this.#groupOf(lease, outcome, delay, reason).add(offset)
  }

  /** Sends what is pending, if a request is free; it takes along the credit for a stream, if there is some. */
  send(takeCredit: () => StreamCredit | undefined = () => undefined): void {
    const leaderOf = ({ session, partition }: HeldLease) => this.#side.leaderOf?.(session.topicId, partition)
    let left = this.#pending
    this.#pending = []
    while (left.length > 0) {
      const { lease: first } = left[0]!
      const leader = leaderOf(first)
      // A request speaks for one generation of the group.
      const isAlike = ({ lease }: SettleGroup) =>
        lease.session === first.session && leaderOf(lease) === leader
      const groups = left.filter(isAlike)
      left = left.filter((group) => !isAlike(group))
      if ([...this.#requests].filter((one) => one.leader === leader).length < MAX_REQUESTS)
        this.#post(groups, leader, takeCredit())
      else this.#pending.push(...groups)
    }
    this.#latest = undefined
    this.#byLease = new Map(this.#pending.map((group) => [group.lease, [group]]))
  }

  /** The leases that settlements without an answer are about: the broker may still count them as held. */
  *leases(): IterableIterator<HeldLease> {
    for (const { lease } of this.#pending) yield lease
    for (const { groups } of this.#requests) for (const { lease } of groups) yield lease
  }

  /** Resolves when all that was settled before has its answer, whatever is settled meanwhile. */
  async flushed(): Promise<void> {
    // Two rounds: where no request was free in the first, what is pending goes with the second.
    for (let round = 0; round < 2 && !this.#isIdle; round++) {
      this.send()
      await Promise.all([...this.#requests].map(({ done }) => done))
    }
  }

  /** Resolves when nothing is pending or under way, and everybody has been told. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve)
      this.#tellIdle()
    })
  }

  get #isIdle(): boolean {
    return this.#pending.length === 0 && this.#requests.size === 0 && this.#toResolve.length === 0
  }

  #groupOf(
    lease: HeldLease,
    outcome: SettleOutcome,
    delay: number | undefined,
    reason: string | undefined,
  ): SettleGroup {
    const latest = this.#latest
    if (latest?.lease === lease && latest.matches(outcome, delay, reason)) return latest
    const groups = this.#byLease.get(lease) ?? []
    let group = groups.find((one) => one.matches(outcome, delay, reason))
    if (group === undefined) {
      group = new SettleGroup(lease, outcome, delay, reason)
      this.#byLease.set(lease, [...groups, group])
      this.#pending.push(group)
      this.#events.pending()
    }
    this.#latest = group
    return group
  }

  #post(groups: readonly SettleGroup[], leader: unknown, credit: StreamCredit | undefined): void {
    const { service, runtime, closed } = this.#side
    const { session } = groups[0]!.lease
    const body = {
      topicId: session.topicId,
      group: this.#group,
      generation: session.generation,
      consumer: this.#consumerId,
      number: ++this.#number,
      settlements: groups.map(toSettlement),
      credit,
    }
    const sentAt = runtime.clock.monotonic()
    const done = untilItSucceeds(runtime, GIVE_UP_AFTER, closed, () => service.settle(body))
      .finally(() => this.#requests.delete(request))
      .then(
        ({ lost }) => this.#answered(groups, lost, sentAt),
        (thrown: unknown) =>
          this.#failed(groups, closed.aborted ? closedReason(this.#side) : asPortalError(thrown)),
      )
    const request = { groups, leader, done }
    this.#requests.add(request)
  }

  // Answers ------------------------------------------------------------------------------------------------------------

  #answered(groups: readonly SettleGroup[], lost: readonly (readonly number[])[], sentAt: number): void {
    if (this.#pending.length > 0) this.#events.pending()
    for (let at = 0; at < groups.length; at++) {
      const group = groups[at]!
      const ranges = lost[at]
      if (ranges?.length) this.#lose(group, ranges)
      else if (group.offsets.length > 0) this.#toResolve.push(group)
      if (group.outcome === 'extend' && group.delay !== undefined) {
        this.#events.extended(group.lease, group.ranges(), sentAt + group.delay)
      }
    }
    if (!this.#resolveDeferred) this.#resolveSome()
  }

  readonly #resolveSome = (): void => {
    this.#resolveDeferred = false
    let room = PER_TURN
    while (room > 0 && this.#toResolve.length > 0) {
      const { resolves } = this.#toResolve[0]!
      const end = Math.min(resolves.length, this.#resolveFrom + room)
      room -= end - this.#resolveFrom
      while (this.#resolveFrom < end) resolves[this.#resolveFrom++]!()
      if (end < resolves.length) break
      this.#toResolve.shift()
      this.#resolveFrom = 0
    }
    if (this.#toResolve.length > 0) {
      this.#resolveDeferred = true
      this.#side.runtime.timers.defer(this.#resolveSome)
    }
    this.#tellIdle()
  }

  #lose(group: SettleGroup, ranges: readonly number[]): void {
    this.#events.lost(group.lease, ranges)
    for (let at = 0; at < group.offsets.length; at++) {
      const offset = group.offsets[at]!
      if (contains(ranges, offset)) group.reject(at, leaseLost(group.lease, offset))
      else group.resolves[at]!()
    }
    if (group.outcome === 'extend' || group.outcome === 'release') return
    const { partition, session } = group.lease
    this.#side.logger.warn(
      { topic: session.topic, group: this.#group, partition, ranges, outcome: group.outcome },
      `${group.outcome} came too late for messages: their leases were lost. They are delivered again.`,
    )
  }

  /** The group or the topic is gone or moved, or the broker is: leases are lost, or left to end by themselves. */
  #failed(groups: readonly SettleGroup[], cause: PortalError): void {
    const moved = isPortalError(cause, 'GROUP_NOT_FOUND', 'TOPIC_NOT_FOUND')
    const error = moved
      ? new PortalError('LEASE_LOST', `Group '${this.#group}' was moved or deleted: its leases are lost.`, {
          cause,
        })
      : cause
    let count = 0
    for (const group of groups) {
      if (moved) this.#events.lost(group.lease, group.ranges())
      if (group.outcome !== 'extend' && group.outcome !== 'release') count++
      for (let at = 0; at < group.offsets.length; at++) group.reject(at, error)
    }
    if (count > 0) {
      this.#side.logger.warn(
        { group: this.#group, code: error.code, err: error },
        `Settlements failed, messages come again: ${error.message}`,
      )
    }
    if (this.#pending.length > 0) this.#events.pending()
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve()
  }
}

function toSettlement(group: SettleGroup): Settlement {
  const { lease, outcome, delay, reason } = group
  return { partition: lease.partition, token: lease.token, outcome, ranges: group.ranges(), delay, reason }
}
