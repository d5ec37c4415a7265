import type { SettleItem } from '../core/entry-body.js'
import { MinHeap } from '../core/heap.js'
import type { Lease } from '../core/lease.js'
import { OffsetSet } from '../core/offset-set.js'
import type { PartitionState } from '../core/partition-state.js'
import type { Queue } from '../core/queue.js'
import type { Runtime, Timer } from '../runtime/runtime.js'

/** Deadlines so close together are served by one waking (ms). */
const GRAIN = 10
/** How soon leases are looked at again that are over and could not be ended: their group is not known here, not yet or no more (ms). */
const AGAIN = 500

/**
 * What only the leader knows of a partition's queues: when leases end (monotonic clock) and when retries are due (wall clock). Rebuilt
 * from the state when leadership begins: every live lease gets its full duration again (invariant 20).
 */
export class QueueTimes {
  readonly #runtime: Runtime
  readonly #state: PartitionState
  readonly #wake: () => void
  readonly #retries = new Map<Queue, Retries>()
  #nextLeaseEnd = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(runtime: Runtime, state: PartitionState, wake: () => void) {
    this.#runtime = runtime
    this.#state = state
    this.#wake = wake
  }

  /** Takes over what the state holds. */
  start(): void {
    const now = this.#runtime.clock.monotonic()
    for (const queue of this.#state.queues.values()) {
      for (const lease of queue.leases.values()) {
        for (const term of lease.terms) {
          if (term.deadline === Number.POSITIVE_INFINITY) term.deadline = now + term.duration
          this.#nextLeaseEnd = Math.min(this.#nextLeaseEnd, term.deadline)
        }
      }
      for (const [offset, trouble] of queue.troubles) {
        if (trouble.due !== undefined) this.#retriesOf(queue).heap.push(trouble.due, offset)
      }
    }
    this.#arm()
  }

  /** After queues came or went. */
  restart(): void {
    for (const queue of this.#retries.keys())
      if (this.#state.queues.get(queue.group) !== queue) this.#retries.delete(queue)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Whether some lease may have ended. */
  get leasesDue(): boolean {
    return this.#nextLeaseEnd <= this.#runtime.clock.monotonic()
  }

  /** After the ended leases were dealt with: finds the next. */
  leasesChecked(): void {
    let next = Number.POSITIVE_INFINITY
    for (const queue of this.#state.queues.values()) {
      for (const lease of queue.leases.values()) {
        for (const term of lease.terms) next = Math.min(next, term.deadline)
      }
    }
    const now = this.#runtime.clock.monotonic()
    this.#nextLeaseEnd = next > now ? next : now + AGAIN
    this.#arm()
  }

  leased(queue: Queue, lease: Lease, ranges: readonly number[]): void {
    const retries = this.#retries.get(queue)
    for (const set of retries ? [retries.ready, retries.readySuspects] : []) {
      if (set.isEmpty) continue
      for (let at = 0; at < ranges.length; at += 2) set.delete(ranges[at]!, ranges[at + 1]!)
    }
    this.#armLease(lease)
  }

  settled(item: SettleItem): void {
    const queue = this.#state.queues.get(item.group)
    if (!queue) return
    if (item.change.type === 'extended') {
      const lease = item.lease && queue.findLease(item.lease)
      if (lease) this.#armLease(lease)
    }
    if (item.change.type !== 'retry') return
    const { heap } = this.#retriesOf(queue)
    for (let at = 0; at < item.ranges.length; at += 2) {
      for (let offset = item.ranges[at]!; offset < item.ranges[at + 1]!; offset++)
        heap.push(item.change.due, offset)
    }
    this.#arm()
  }

  /** The waiting messages of a queue whose time has come, suspects apart. */
  ready(queue: Queue): OffsetSet {
    return queue.waiting === 0 ? NOTHING : this.#release(queue).ready
  }

  /** The suspects whose time has come: they go alone. */
  readySuspects(queue: Queue): OffsetSet {
    return queue.waiting === 0 ? NOTHING : this.#release(queue).readySuspects
  }

  /** After a trim, which may have taken messages that were ready. */
  trimmed(): void {
    for (const [queue, { ready, readySuspects }] of this.#retries) {
      for (const set of [ready, readySuspects]) {
        for (let offset = set.first(); offset >= 0; offset = set.next(offset + 1)) {
          if (queue.troubles.get(offset)?.due === undefined) set.delete(offset, offset + 1)
        }
      }
    }
  }

  #armLease(lease: Lease): void {
    const now = this.#runtime.clock.monotonic()
    for (const term of lease.terms) {
      if (term.deadline !== Number.POSITIVE_INFINITY) continue
      term.deadline = now + term.duration
      if (term.deadline < this.#nextLeaseEnd) {
        this.#nextLeaseEnd = term.deadline
        this.#arm()
      }
    }
  }

  /** Moves what has come due from the heap to `ready`. */
  #release(queue: Queue): Retries {
    const retries = this.#retriesOf(queue)
    const { heap, ready, readySuspects } = retries
    const now = this.#runtime.clock.now()
    for (let due = heap.peekPriority(); due !== undefined && due <= now; due = heap.peekPriority()) {
      const offset = heap.pop()!
      const trouble = queue.troubles.get(offset)
      if (trouble?.due === due) (trouble.suspect ? readySuspects : ready).add(offset, offset + 1)
    }
    return retries
  }

  #retriesOf(queue: Queue): Retries {
    let retries = this.#retries.get(queue)
    if (!retries) {
      retries = { heap: new MinHeap<number>(), ready: new OffsetSet(), readySuspects: new OffsetSet() }
      this.#retries.set(queue, retries)
    }
    return retries
  }

  /** Sets the one timer to what comes first. */
  #arm(): void {
    if (this.#stopped) return
    const { clock, timers } = this.#runtime
    let at = this.#nextLeaseEnd
    for (const { heap } of this.#retries.values()) {
      const due = heap.peekPriority()
      if (due !== undefined) at = Math.min(at, clock.monotonic() + Math.max(0, due - clock.now()))
    }
    if (at === Number.POSITIVE_INFINITY || at >= this.#timerAt - GRAIN) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = timers.setTimeout(() => this.#fire(), Math.ceil(Math.max(at - clock.monotonic(), 0)))
  }

  #fire(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    // Released even if nobody waits for them: else the timer would fire again and again.
    for (const queue of this.#retries.keys()) this.#release(queue)
    this.#wake()
    // Ended leases are dealt with at the next cut, which arms the timer again.
    if (!this.leasesDue) this.#arm()
  }
}

interface Retries {
  /** By due time. */
  readonly heap: MinHeap<number>
  /** Due, and not leased since. */
  readonly ready: OffsetSet
  /** Of them, those that go alone. */
  readonly readySuspects: OffsetSet
}

const NOTHING = new OffsetSet()
