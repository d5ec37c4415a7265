import type { Grant, LeaseKey, SettleChange, SettleItem } from './entry-body.js'
import { PortalError } from './errors.js'
import { Lease, leaseNumber } from './lease.js'
import { OffsetSet } from './offset-set.js'
import { pushRange, type Ranges } from './ranges.js'

/** Offsets a snapshot page. */
export const QUEUE_PAGE = 65_536

/**
 * What one group has done with the messages of one partition. Every offset in [start, end of the log) is in exactly one
 * place:
 *
 *     fresh      ≥ cursor and not settled: never leased                    available
 *     free       given back                                                available
 *     suspects   its lease ended without word: to be delivered alone       available
 *     waiting    failed, may come back at `due`                            trouble with `due`
 *     leased     in one lease
 *     dying      failed for the last time, on its way to the dead letters  trouble with `dying`
 *     settled    acked, dead, discarded, expired or missing
 *
 * Transitions come from entries only and are the same on every replica.
 */
export class Queue {
  readonly group: string
  readonly generation: number
  readonly start: number
  /** Nothing at or above was ever leased. */
  cursor: number
  readonly settled = new OffsetSet()
  readonly free = new OffsetSet()
  readonly suspects = new OffsetSet()
  readonly troubles = new Map<number, Trouble>()
  readonly leases = new Map<number, Lease>()
  /** Consumer -> how many messages it holds under leases. */
  readonly held = new Map<string, number>()
  /** Consumer -> how many suspects it holds: 1 or absent. */
  readonly suspectsHeld = new Map<string, number>()
  readonly counts: QueueCounts = { acked: 0, deadLettered: 0, discarded: 0, expired: 0, missing: 0 }
  leased = 0
  waiting = 0
  dying = 0
  /** The sequence of the next dying message: its place in the order in which they go to the dead letters. */
  nextDyingSequence = 0
  readonly dirtyPages = new Set<number>()
  #floor: number

  constructor(group: string, generation: number, start: number) {
    this.group = group
    this.generation = generation
    this.start = start
    this.cursor = start
    this.#floor = start
  }

  /** Everything below is settled. */
  get floor(): number {
    this.#floor = this.settled.nextMissing(this.#floor)
    return this.#floor
  }

  /** Messages that could be leased now, with `end` the end of the log; those waiting are not among them. */
  available(end: number): number {
    return this.free.size + this.suspects.size + this.fresh(end)
  }

  fresh(end: number): number {
    return end <= this.cursor ? 0 : end - this.cursor - this.settled.countIn(this.cursor, end)
  }

  /** How many were not settled, with `end` the end of the log. */
  unsettled(end: number): number {
    return end - this.start - this.settled.size
  }

  /** A count of the deliveries so far, those that may have ended in a crash included. */
  deliveries(offset: number): number {
    const trouble = this.troubles.get(offset)
    return trouble ? trouble.failures + (trouble.suspect ? 1 : 0) : 0
  }

  /** The lease of this key, if it holds anything still. */
  findLease(key: LeaseKey): Lease | undefined {
    const lease = this.leases.get(leaseNumber(key))
    return lease && lease.key.epoch === key.epoch ? lease : undefined
  }

  /** Applies one grant of an `acquire` entry. */
  acquire(key: LeaseKey, grant: Grant): Lease {
    const lease = new Lease(key, grant.consumer, grant.local)
    for (let at = 0; at < grant.ranges.length; at += 2)
      this.#takeAvailable(grant.ranges[at]!, grant.ranges[at + 1]!)
    lease.addTerm(grant.duration, grant.ranges)
    this.leases.set(leaseNumber(key), lease)
    this.#hold(lease.consumer, lease.size)
    if (this.troubles.size > 0) this.#holdSuspects(lease, grant.ranges, 1)
    return lease
  }

  /** Puts a lease back as a snapshot holds it: its messages are in no other place. */
  restoreLease(
    key: LeaseKey,
    consumer: string,
    local: boolean,
    terms: readonly { readonly duration: number; readonly ranges: Ranges }[],
  ): void {
    const lease = new Lease(key, consumer, local)
    this.leases.set(leaseNumber(key), lease)
    for (const { duration, ranges } of terms) {
      lease.addTerm(duration, ranges)
      if (this.troubles.size > 0) this.#holdSuspects(lease, ranges, 1)
    }
    this.#hold(consumer, lease.size)
  }

  /** Applies one item of a `settle` entry; the leader put only legal ones into it (invariant 17). */
  settle(item: SettleItem): void {
    if (item.change.type === 'dead') {
      this.#buryDying(item.ranges)
      return
    }
    const lease = item.lease && this.findLease(item.lease)
    if (!lease) throw illegal(this.group, item)
    if (item.change.type === 'extended') this.#extend(lease, item, item.change.duration)
    else this.#endLease(lease, item, item.change)
  }

  /** Applies a trim: unsettled messages in [start, end) are gone. None of them is leased or dying. */
  expire(start: number, end: number): number {
    return this.#drop(start, end, 'expired')
  }

  /** Messages that were gone before this group began. */
  skipMissing(start: number, end: number): number {
    return this.#drop(start, end, 'missing')
  }

  #drop(start: number, end: number, count: 'expired' | 'missing'): number {
    const from = Math.max(start, this.start)
    if (from >= end) return 0
    this.free.delete(from, end)
    this.suspects.delete(from, end)
    this.#forgetTroubles(from, end)
    const dropped = this.settled.add(from, end)
    this.counts[count] += dropped
    this.#touch(from, end)
    return dropped
  }

  #takeAvailable(start: number, end: number): void {
    this.#touch(start, end)
    const below = Math.min(end, this.cursor)
    if (start < below) {
      this.free.delete(start, below)
      this.suspects.delete(start, below)
      this.#endWaits(start, below)
    }
    if (end <= this.cursor) return
    // Whatever is passed over is settled; if ever it is not, it stays available rather than lost.
    for (let at = this.settled.nextMissing(this.cursor); at < start; at = this.settled.nextMissing(at + 1)) {
      this.free.add(at, at + 1)
      this.#touch(at, at + 1)
    }
    this.cursor = end
  }

  #extend(lease: Lease, item: SettleItem, duration: number): void {
    const removed = removeAll(lease, item.ranges)
    lease.addTerm(duration, item.ranges)
    if (removed !== sizeOf(item.ranges)) throw illegal(this.group, item)
  }

  #endLease(lease: Lease, item: SettleItem, change: SettleChange): void {
    const count = sizeOf(item.ranges)
    if (removeAll(lease, item.ranges) !== count) throw illegal(this.group, item)
    if (lease.size === 0) this.leases.delete(leaseNumber(lease.key))
    this.#hold(lease.consumer, -count)
    if (this.troubles.size > 0) this.#holdSuspects(lease, item.ranges, -1)
    let sequence = change.type === 'rejected' ? change.sequence : 0
    for (let at = 0; at < item.ranges.length; at += 2) {
      const start = item.ranges[at]!
      const end = item.ranges[at + 1]!
      this.#touch(start, end)
      this.#place(start, end, change, sequence)
      sequence += end - start
    }
    if (change.type === 'rejected') this.nextDyingSequence = Math.max(this.nextDyingSequence, sequence)
  }

  /** Puts messages that have just left a lease where the change says. */
  #place(start: number, end: number, change: SettleChange, sequence: number): void {
    switch (change.type) {
      case 'acked':
      case 'discarded':
        this.#forgetTroubles(start, end)
        this.settled.add(start, end)
        this.counts[change.type] += end - start
        break
      case 'released':
        this.#giveBack(start, end)
        break
      case 'suspected':
        for (let offset = start; offset < end; offset++) this.#trouble(offset).suspect = true
        this.suspects.add(start, end)
        break
      case 'retry':
        for (let offset = start; offset < end; offset++) {
          const trouble = this.#trouble(offset)
          trouble.failures++
          trouble.due = change.due
          trouble.reason = change.reason
        }
        this.waiting += end - start
        break
      case 'rejected':
        for (let offset = start; offset < end; offset++) {
          const trouble = this.#trouble(offset)
          trouble.failures++
          trouble.dying = sequence + (offset - start)
          trouble.reason = change.reason
        }
        this.dying += end - start
        break
    }
  }

  #giveBack(start: number, end: number): void {
    if (this.troubles.size === 0) {
      this.free.add(start, end)
      return
    }
    for (let offset = start; offset < end; offset++) {
      const set = this.troubles.get(offset)?.suspect ? this.suspects : this.free
      set.add(offset, offset + 1)
    }
  }

  #buryDying(ranges: Ranges): void {
    for (let at = 0; at < ranges.length; at += 2) {
      for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) {
        if (this.troubles.get(offset)?.dying === undefined) continue
        this.troubles.delete(offset)
        this.settled.add(offset, offset + 1)
        this.dying--
        this.counts.deadLettered++
      }
      this.#touch(ranges[at]!, ranges[at + 1]!)
    }
  }

  #trouble(offset: number): Trouble {
    let trouble = this.troubles.get(offset)
    if (!trouble) {
      trouble = { failures: 0, suspect: false, due: undefined, dying: undefined, reason: '' }
      this.troubles.set(offset, trouble)
    }
    return trouble
  }

  /** A suspect that is settled is no suspect any more; a waiting one waits no more. */
  #forgetTroubles(start: number, end: number): void {
    this.#eachTrouble(start, end, (offset, trouble) => {
      if (trouble.due !== undefined) this.waiting--
      this.troubles.delete(offset)
    })
  }

  #endWaits(start: number, end: number): void {
    this.#eachTrouble(start, end, (_, trouble) => {
      if (trouble.due === undefined) return
      trouble.due = undefined
      this.waiting--
    })
  }

  #eachTrouble(start: number, end: number, visit: (offset: number, trouble: Trouble) => void): void {
    if (this.troubles.size === 0) return
    if (end - start <= this.troubles.size) {
      for (let offset = start; offset < end; offset++) {
        const trouble = this.troubles.get(offset)
        if (trouble) visit(offset, trouble)
      }
    } else {
      for (const [offset, trouble] of this.troubles)
        if (offset >= start && offset < end) visit(offset, trouble)
    }
  }

  #hold(consumer: string, change: number): void {
    const held = (this.held.get(consumer) ?? 0) + change
    if (held > 0) this.held.set(consumer, held)
    else this.held.delete(consumer)
    this.leased += change
  }

  #holdSuspects(lease: Lease, ranges: Ranges, sign: 1 | -1): void {
    for (let at = 0; at < ranges.length; at += 2) {
      this.#eachTrouble(ranges[at]!, ranges[at + 1]!, (_, trouble) => {
        if (!trouble.suspect) return
        const held = (this.suspectsHeld.get(lease.consumer) ?? 0) + sign
        if (held > 0) this.suspectsHeld.set(lease.consumer, held)
        else this.suspectsHeld.delete(lease.consumer)
      })
    }
  }

  #touch(start: number, end: number): void {
    const last = Math.floor((end - 1) / QUEUE_PAGE)
    for (let page = Math.floor(start / QUEUE_PAGE); page <= last; page++) this.dirtyPages.add(page)
  }
}

/** What is remembered of a message that failed, or may have. */
export interface Trouble {
  failures: number
  /** Once without word, always alone: until it is settled. */
  suspect: boolean
  /** Waiting until then (ms since the Unix epoch). */
  due: number | undefined
  /** Dying, with this place in line. */
  dying: number | undefined
  /** Why it failed last. */
  reason: string
}

export interface QueueCounts {
  acked: number
  deadLettered: number
  discarded: number
  expired: number
  missing: number
}

/** The part of `ranges` that a lease still holds, and the part that it lost. */
export function splitHeld(lease: Lease | undefined, ranges: Ranges): { held: number[]; lost: number[] } {
  const held: number[] = []
  const lost: number[] = []
  let offsets: OffsetSet | undefined
  for (let at = 0; at < ranges.length; at += 2) {
    const start = ranges[at]!
    const end = ranges[at + 1]!
    if (lease && lease.terms.length === 1 && lease.terms[0]!.offsets.countIn(start, end) === end - start) {
      pushRange(held, start, end)
      continue
    }
    // By runs, not by offsets: a caller may name any range, however long.
    offsets ??= offsetsOf(lease)
    for (let from = start; from < end; ) {
      const next = offsets.next(from)
      const until = next < 0 ? end : Math.min(next, end)
      pushRange(lost, from, until)
      from = until < end ? Math.min(offsets.nextMissing(until), end) : end
      pushRange(held, until, from)
    }
  }
  return { held, lost }
}

function offsetsOf(lease: Lease | undefined): OffsetSet {
  const offsets = new OffsetSet()
  for (const term of lease?.terms ?? [])
    term.offsets.forEachRange((start, end) => void offsets.add(start, end))
  return offsets
}

function removeAll(lease: Lease, ranges: Ranges): number {
  let removed = 0
  for (let at = 0; at < ranges.length; at += 2) removed += lease.remove(ranges[at]!, ranges[at + 1]!)
  return removed
}

function sizeOf(ranges: Ranges): number {
  let size = 0
  for (let at = 0; at < ranges.length; at += 2) size += ranges[at + 1]! - ranges[at]!
  return size
}

function illegal(group: string, item: SettleItem): PortalError<'CORRUPT'> {
  return new PortalError(
    'CORRUPT',
    `The log holds a change (${item.change.type}) of messages that group ${group} has not leased. Please report this with the database.`,
  )
}
