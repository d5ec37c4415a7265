import type { TransientSet } from '../../core/transient-set.js'
import type { Timer, Timers } from '../../runtime/runtime.js'
import type { HeldBatch, HeldLease } from './held-batch.js'
import * as State from './message-state.js'
import { contains } from './ranges.js'

/** What a keeper needs of the consumer whose leases it keeps. */
export interface KeptHoldings {
  readonly timers: Timers
  /** Monotonic. */
  now(): number
  /** Extends the lease of a message by the consumer's `lease`. */
  extend(lease: HeldLease, offset: number): void
  /** One message's lease is over. */
  lose(batch: HeldBatch, at: number): void
  /** The lease of those that wait in the batch is over. */
  dropOverdue(batch: HeldBatch): void
}

/** Handlers at work. */
export interface KeptRun {
  forEachInHand(callback: (batch: HeldBatch, offset: number) => void): void
  /** Fails handlers that take too long; returns (monotonic) when the next one does. */
  endOverlong(now: number): number
}

/**
 * Renews the leases of messages that wait and of those that handlers work on, every third of the lease; notices leases that are
 * over and handlers that take too long. One timer, and none while nothing is held.
 */
export class LeaseKeeper {
  readonly #holdings: KeptHoldings
  readonly #held: TransientSet<HeldBatch>
  readonly #runs = new Set<KeptRun>()
  readonly #interval: number
  #timer: Timer | undefined
  /** Monotonic. */
  #wakeAt = Number.POSITIVE_INFINITY
  #renewAt = Number.POSITIVE_INFINITY

  /** `lease`: milliseconds. */
  constructor(holdings: KeptHoldings, held: TransientSet<HeldBatch>, lease: number) {
    this.#holdings = holdings
    this.#held = held
    this.#interval = lease / 3
  }

  addRun(run: KeptRun): void {
    this.#runs.add(run)
  }

  removeRun(run: KeptRun): void {
    this.#runs.delete(run)
  }

  /** Something is held. */
  begin(): void {
    if (this.#timer !== undefined || this.#held.size === 0) return
    this.#renewAt = this.#holdings.now() + this.#interval
    this.#wake(this.#renewAt)
  }

  /** Nothing is held. */
  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  /** Something happens at `deadline` (monotonic) that must be noticed. */
  watching(deadline: number): void {
    if (deadline < this.#wakeAt) this.#wake(deadline)
  }

  /** The broker has extended these: their leases end at `deadline`. */
  extended(lease: HeldLease, ranges: readonly number[], deadline: number): void {
    for (const batch of lease.batches) if (batch.waitsIn(ranges)) batch.renewed(deadline)
    this.#forEachAtWork((batch, offset) => {
      const watch = batch.watchOf(offset - batch.baseOffset)
      if (batch.lease === lease && watch !== undefined && contains(ranges, offset)) watch.deadline = deadline
    })
  }

  #wake(at: number): void {
    this.#timer?.cancel()
    this.#wakeAt = at
    this.#timer = this.#holdings.timers.setTimeout(this.#tick, Math.max(1, at - this.#holdings.now()))
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    const now = this.#holdings.now()
    if (now >= this.#renewAt) {
      this.#renew(now)
      this.#renewAt = now + this.#interval
    }
    const next = Math.min(this.#renewAt, this.#loseOverdue(now), this.#endOverlong(now))
    if (this.#held.size > 0) this.#wake(next)
    else this.end()
  }

  #renew(now: number): void {
    const extend = ({ lease }: HeldBatch, offset: number) => this.#holdings.extend(lease, offset)
    for (const batch of [...this.#held]) {
      if (batch.deadline > now) batch.forEach(State.buffered, (offset) => extend(batch, offset))
      else this.#holdings.dropOverdue(batch)
    }
    this.#forEachAtWork(extend)
  }

  /** Nobody renews what loops and receives were handed: who forgets it holds it for its lease. Returns when the next one is over. */
  #loseOverdue(now: number): number {
    const worked = new Set<HeldBatch>()
    this.#forEachAtWork((batch) => worked.add(batch))
    let next = Number.POSITIVE_INFINITY
    for (const batch of [...this.#held]) {
      // What a run has is renewed, or fails by its timeout: what else is in hand of its batch waits for that.
      const unwatched = worked.has(batch) ? Number.POSITIVE_INFINITY : undefined
      batch.forEach(State.inHand, (_, at) => {
        const deadline = batch.watchOf(at)?.deadline ?? unwatched ?? batch.deadlineOf(at)
        if (deadline <= now) this.#holdings.lose(batch, at)
        else next = Math.min(next, deadline)
      })
    }
    return next
  }

  /** What handlers have in hand. */
  #forEachAtWork(callback: (batch: HeldBatch, offset: number) => void): void {
    for (const run of this.#runs) run.forEachInHand(callback)
  }

  #endOverlong(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const run of this.#runs) next = Math.min(next, run.endOverlong(now))
    return next
  }
}
