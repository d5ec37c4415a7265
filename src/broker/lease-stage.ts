import { Chooser } from '../core/choose.js'
import type { PortalError } from '../core/errors.js'
import type { Lease } from '../core/lease.js'
import type { Queue } from '../core/queue.js'
import type { DeliveredBatch } from '../protocol/service.js'
import type { Cut } from './cut.js'
import type { EntryLog, Leadership } from './entry-log.js'
import { grantWaiters, type WaiterGrant } from './grant.js'
import { observeDelivered } from './metrics/observe.js'
import type { PendingSettle } from './settling.js'
import type { Dispatcher } from './waiters.js'

/** Retries and deaths that a group may have in one partition before it gets nothing more. */
export const MAX_TROUBLES = 100_000
/** Grants of one cut: the first of a thousand that sleep are on their way while the last are still being served. */
const GRANTS_PER_CUT = 128

/** The beginnings of leases: hands what is free to the consumers that wait, and delivers it once the lease is committed. */
export class LeaseStage {
  readonly #lead: Leadership
  readonly #entryLog: EntryLog
  readonly #giveBack: (settle: PendingSettle) => void

  /** `giveBack` settles what was leased to a consumer that has gone in the meantime. */
  constructor(lead: Leadership, entryLog: EntryLog, giveBack: (settle: PendingSettle) => void) {
    this.#lead = lead
    this.#entryLog = entryLog
    this.#giveBack = giveBack
  }

  /** Acquires that wait form one entry. Says whether some were left for the next cut. */
  cut(group: Cut): boolean {
    const granted: WaiterGrant[] = []
    const served: Dispatcher[] = []
    for (const dispatcher of this.#lead.topic.dispatchers.values()) {
      const queue = this.#lead.state.queues.get(dispatcher.group)
      if (!queue || dispatcher.paused || dispatcher.waiters.size === 0 || queue.troubles.size >= MAX_TROUBLES)
        continue
      if (queue.generation !== dispatcher.generation) continue
      const chooser = new Chooser(
        queue,
        this.#lead.state.directory,
        this.#lead.state.nextOffset,
        this.#lead.times.ready(queue),
        this.#lead.times.readySuspects(queue),
      )
      served.push(dispatcher)
      granted.push(...grantWaiters(dispatcher, chooser, GRANTS_PER_CUT - granted.length))
    }
    if (granted.length > 0) this.#acquire(group, granted)
    // Those who wait have had their turn.
    for (const dispatcher of served) if (dispatcher.hints.size > 0) dispatcher.tellHint()
    return granted.length === GRANTS_PER_CUT
  }

  #acquire(group: Cut, granted: readonly WaiterGrant[]): void {
    const index = this.#lead.state.nextIndex
    this.#entryLog.append(group, { kind: 'acquire', grants: granted.map(({ grant }) => grant) })
    granted.forEach((one, slot) => this.#deliver(group, one, { epoch: this.#lead.epoch, index, slot }))
  }

  #deliver(group: Cut, one: WaiterGrant, token: Lease['key']): void {
    const { waiter, grant } = one
    const queue = this.#lead.state.queues.get(grant.group)!
    const lease = queue.findLease(token)!
    this.#lead.times.leased(queue, lease, grant.ranges)
    const counts = this.#deliveryCounts(queue, grant.ranges)
    const inMemory = this.#lead.reader.inMemory(grant.ranges, counts)
    const reading = inMemory ? undefined : this.#readAhead(grant.ranges, counts)
    group.onCommitted(
      () => {
        if (inMemory) {
          this.#answerWaiter(one, token, inMemory)
          return
        }
        const loaded = reading ?? this.#lead.reader.load(grant.ranges, counts)
        loaded.then(
          (batches) => this.#answerWaiter(one, token, batches),
          (error: PortalError) => {
            waiter.fail(error)
            // It is no fault that another leads, or will.
            if (error.code !== 'NOT_LEADER') this.#lead.host.emit('error', error)
          },
        )
      },
      (error) => waiter.fail(error),
    )
  }

  /** Reads while the lease is committed, unless this very commit stores what is to be read. */
  #readAhead(ranges: readonly number[], counts: readonly number[]): Promise<DeliveredBatch[]> | undefined {
    const last = this.#lead.state.directory.find(ranges[ranges.length - 1]! - 1)
    if (!last || last.index >= this.#entryLog.firstIndex!) return undefined
    const reading = this.#lead.reader.load(ranges, counts)
    // It may fail before anybody asks.
    reading.catch(() => {})
    return reading
  }

  #answerWaiter(
    { waiter, grant, more }: WaiterGrant,
    token: Lease['key'],
    batches: readonly DeliveredBatch[],
  ): void {
    if (!waiter.done) {
      observeDelivered(this.#lead, grant, batches)
      waiter.deliver({ partition: this.#lead.partition, token, batches }, more)
      return
    }
    // It has gone in the meantime: the messages were never handled.
    const queue = this.#lead.state.queues.get(grant.group)
    if (!queue) return
    this.#giveBack({
      group: grant.group,
      generation: queue.generation,
      consumer: grant.consumer,
      isHeard: false,
      number: undefined,
      parts: [{ token, outcome: 'release', ranges: grant.ranges, delay: undefined, reason: undefined }],
      answer: () => {},
      fail: () => {},
    })
  }

  #deliveryCounts(queue: Queue, ranges: readonly number[]): number[] {
    const counts: number[] = []
    if (queue.troubles.size === 0) return counts
    for (let at = 0; at < ranges.length; at += 2) {
      for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) {
        const deliveries = queue.deliveries(offset)
        if (deliveries > 0) counts.push(offset, deliveries + 1)
      }
    }
    return counts
  }
}
