import { RecordBatchView } from '../../core/record-batch-view.js'
import type { Session } from '../../protocol/feed.js'
import type { DeliveredBatch, LeaseToken, SettleOutcome } from '../../protocol/service.js'
import * as State from './message-state.js'
import { contains } from './ranges.js'

/** What messages and their leases need of the consumer that holds them. */
export interface LeaseOwner {
  /** Monotonic. */
  now(): number
  settle(
    lease: HeldLease,
    offset: number,
    outcome: SettleOutcome,
    delay: number | undefined,
    reason: string | undefined,
  ): Promise<void>
  /** The message at this place is settled; it is no longer in hand. */
  settledInHand(batch: HeldBatch, at: number): void
  /** Somebody wants to know when a lease is over that ends at `deadline` (monotonic). */
  watching(deadline: number): void
}

/** Somebody looks at a message's signal. */
export interface Watch {
  readonly controller: AbortController
  /** Monotonic: when its lease ends. */
  deadline: number
}

/** A lease: one token over messages of one partition. */
export class HeldLease {
  readonly owner: LeaseOwner
  readonly session: Session
  readonly partition: number
  readonly token: LeaseToken
  readonly batches: HeldBatch[] = []

  constructor(owner: LeaseOwner, session: Session, partition: number, token: LeaseToken) {
    this.owner = owner
    this.session = session
    this.partition = partition
    this.token = token
  }

  /** Its batch with the message at `offset`. */
  batchOf(offset: number): HeldBatch | undefined {
    return this.batches.find(
      (batch) => offset >= batch.baseOffset && offset < batch.baseOffset + batch.states.length,
    )
  }
}

/** Leased messages of one record batch. Their states are bytes here: a message in hand is a view on it. */
export class HeldBatch {
  readonly lease: HeldLease
  readonly baseOffset: number
  readonly view: RecordBatchView
  readonly states: Uint8Array
  readonly deliveryCounts: readonly number[]
  /** How many wait or are in hand. */
  unsettled = 0
  /** About what one of its messages takes in memory. */
  readonly bytesEach: number
  /** Monotonic: when it came. */
  readonly arrivedAt: number
  /** Monotonic: when the lease of those that wait here ends. */
  deadline: number
  /** Not yet handed out: [next, end) of the range at `#range`, and the ranges after it. */
  readonly #ranges: readonly number[]
  #range = 0
  #next: number
  /** Flat pairs (offset, deadline): those below the offset were handed out with that deadline. */
  #earlier: number[] | undefined
  #watches: Map<number, Watch> | undefined

  constructor(lease: HeldLease, delivered: DeliveredBatch, arrivedAt: number, deadline: number) {
    this.lease = lease
    this.baseOffset = delivered.baseOffset
    this.view = new RecordBatchView(delivered.records)
    this.states = new Uint8Array(this.view.count)
    this.deliveryCounts = delivered.deliveryCounts
    this.bytesEach = delivered.records.length / Math.max(1, this.view.count)
    this.arrivedAt = arrivedAt
    this.deadline = deadline
    this.#ranges = delivered.ranges
    this.#next = delivered.ranges[0] ?? 0
    for (let at = 0; at < this.#ranges.length; at += 2) {
      this.states.fill(
        State.buffered,
        this.#ranges[at]! - this.baseOffset,
        this.#ranges[at + 1]! - this.baseOffset,
      )
      this.unsettled += this.#ranges[at + 1]! - this.#ranges[at]!
    }
  }

  /** Takes the next message that still waits here; its place in the batch, or -1. */
  takeNext(): number {
    while (this.#range < this.#ranges.length) {
      const end = this.#ranges[this.#range + 1]!
      while (this.#next < end) {
        const at = this.#next++ - this.baseOffset
        if (this.states[at] !== State.buffered) continue
        this.states[at] = State.inHand
        return at
      }
      this.#range += 2
      this.#next = this.#ranges[this.#range] ?? end
    }
    return -1
  }

  /** Calls back with the offset of each message in a state. */
  forEach(state: number, callback: (offset: number, at: number) => void): void {
    for (let at = 0; at < this.states.length; at++) {
      if (this.states[at] === state) callback(this.baseOffset + at, at)
    }
  }

  /** Whether the first message that waits here is in one of the ranges: those that wait are extended together. */
  waitsIn(ranges: readonly number[]): boolean {
    const at = this.states.indexOf(State.buffered)
    return at >= 0 && contains(ranges, this.baseOffset + at)
  }

  deliveryCount(at: number): number {
    const offset = this.baseOffset + at
    for (let pair = 0; pair < this.deliveryCounts.length; pair += 2) {
      if (this.deliveryCounts[pair] === offset) return this.deliveryCounts[pair + 1]!
    }
    return 1
  }

  /** The lease of those that wait here now ends at `deadline`. */
  renewed(deadline: number): void {
    this.#earlier ??= []
    this.#earlier.push(this.#next, this.deadline)
    this.deadline = deadline
  }

  /** When the lease of a message ends, if nobody renewed it since it was handed out. */
  deadlineOf(at: number): number {
    const offset = this.baseOffset + at
    if (this.#earlier !== undefined) {
      for (let pair = 0; pair < this.#earlier.length; pair += 2) {
        if (offset < this.#earlier[pair]!) return this.#earlier[pair + 1]!
      }
    }
    return this.deadline
  }

  /** The signal of the message at this place is looked at. */
  watch(at: number, watch: Watch): void {
    this.#watches ??= new Map()
    this.#watches.set(at, watch)
  }

  unwatch(at: number): void {
    this.#watches?.delete(at)
  }

  watchOf(at: number): Watch | undefined {
    return this.#watches?.get(at)
  }
}
