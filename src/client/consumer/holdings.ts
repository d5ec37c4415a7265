import { TransientSet } from '../../core/transient-set.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { Session } from '../../protocol/feed.js'
import type { HeldToken, ReceiveResponse, SettleOutcome } from '../../protocol/service.js'
import type { Clock, Timers } from '../../runtime/runtime.js'
import { HeldBatch, HeldLease, type LeaseOwner } from './held-batch.js'
import { type KeptHoldings, LeaseKeeper } from './lease-keeper.js'
import { leaseLost } from './lease-lost.js'
import { Message } from './message.js'
import * as State from './message-state.js'
import type { ResolvedConsumerOptions } from './options.js'
import { Settler } from './settler.js'

/** The messages that a consumer holds, until they are settled, given back or lost. */
export class Holdings implements LeaseOwner, KeptHoldings {
  readonly timers: Timers
  readonly settler: Settler
  readonly keeper: LeaseKeeper
  /** How many wait to be handed out. */
  buffered = 0
  /** How many are handed out and not settled. */
  inHand = 0
  /** About what all of them take in memory. */
  bytes = 0
  readonly #lease: number
  readonly #clock: Clock
  /** There is something to send, or room for more. */
  readonly #changed: () => void
  /** Those with messages that are held. */
  readonly #batches = new TransientSet<HeldBatch>()
  /** Each tells somebody who waits for it that nothing is held, once that is so. */
  readonly #quiet = new Set<() => void>()

  constructor(side: ClientSide, options: ResolvedConsumerOptions, changed: () => void) {
    this.timers = side.runtime.timers
    this.#clock = side.runtime.clock
    this.#lease = options.lease
    this.#changed = changed
    this.settler = new Settler(side, options, {
      pending: changed,
      lost: (lease, ranges) => this.#lose(lease, ranges),
      extended: (lease, ranges, deadline) => this.keeper.extended(lease, ranges, deadline),
    })
    this.keeper = new LeaseKeeper(this, this.#batches, options.lease)
  }

  /** Monotonic. */
  now(): number {
    return this.#clock.monotonic()
  }

  // Taking in and handing out ------------------------------------------------------------------------------------------

  /** Books what was leased as waiting. */
  hold(session: Session, response: ReceiveResponse): HeldBatch[] {
    const now = this.now()
    const batches: HeldBatch[] = []
    for (const { partition, token, batches: delivered } of response.deliveries) {
      const lease = new HeldLease(this, session, partition, token)
      for (const one of delivered) {
        const batch = new HeldBatch(lease, one, now, now + this.#lease)
        lease.batches.push(batch)
        this.#batches.add(batch)
        this.buffered += batch.unsettled
        this.bytes += batch.bytesEach * batch.unsettled
        batches.push(batch)
      }
    }
    this.keeper.begin()
    return batches
  }

  /** Books the batch's next message as handed out. */
  handOut(batch: HeldBatch): Message | undefined {
    const at = batch.takeNext()
    if (at < 0) return undefined
    this.buffered--
    this.inHand++
    return new Message(batch, at)
  }

  /** The leases whose messages wait, are in hand, or are about to be settled. */
  tokens(session: Session): HeldToken[] {
    const leases = new Set<HeldLease>(this.settler.leases())
    for (const { lease } of this.#batches) leases.add(lease)
    return [...leases]
      .filter((lease) => lease.session === session)
      .map(({ partition, token }) => ({ partition, token }))
  }

  // Settling -----------------------------------------------------------------------------------------------------------

  settle(
    lease: HeldLease,
    offset: number,
    outcome: SettleOutcome,
    delay: number | undefined,
    reason: string | undefined,
  ): Promise<void> {
    return this.settler.settle(lease, offset, outcome, delay, reason)
  }

  watching(deadline: number): void {
    this.keeper.watching(deadline)
  }

  extend(lease: HeldLease, offset: number): void {
    this.settler.settleQuietly(lease, offset, 'extend', this.#lease)
  }

  /** A message in hand is settled. */
  settledInHand(batch: HeldBatch, at: number): void {
    batch.unwatch(at)
    this.inHand--
    this.#settledOne(batch)
    this.#changed()
  }

  #settledOne(batch: HeldBatch): void {
    this.bytes -= batch.bytesEach
    if (--batch.unsettled === 0) this.#batches.delete(batch)
    if (this.#batches.size === 0) {
      this.bytes = 0
      this.keeper.end()
    }
    this.#quiet.forEach((tell) => tell())
  }

  // Losing and giving back ---------------------------------------------------------------------------------------------

  /** Ends our hold on a message without a settlement. */
  #letGo(batch: HeldBatch, at: number, state: number): void {
    const before = batch.states[at]
    if (before === State.buffered) this.buffered--
    else if (before === State.inHand) this.inHand--
    else {
      if (state === State.lost && before !== State.absent) batch.states[at] = state
      return
    }
    batch.states[at] = state
    const watch = batch.watchOf(at)
    batch.unwatch(at)
    watch?.controller.abort(leaseLost(batch.lease, batch.baseOffset + at))
    this.#settledOne(batch)
  }

  #lose(lease: HeldLease, ranges: readonly number[]): void {
    for (let at = 0; at < ranges.length; at += 2) {
      for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) {
        const batch = lease.batchOf(offset)
        if (batch !== undefined) this.#letGo(batch, offset - batch.baseOffset, State.lost)
      }
    }
    this.#changed()
  }

  /** One message's lease is over. */
  lose(batch: HeldBatch, at: number): void {
    this.#letGo(batch, at, batch.watchOf(at) ? State.lost : State.overdue)
    this.#changed()
  }

  /** The lease of those that wait in the batch is over. */
  dropOverdue(batch: HeldBatch): void {
    batch.forEach(State.buffered, (_, at) => this.#letGo(batch, at, State.lost))
  }

  /** Everything that the session leased is lost. */
  loseSession(session: Session): void {
    for (const batch of [...this.#batches]) {
      if (batch.lease.session !== session) continue
      for (let at = 0; at < batch.states.length; at++) this.#letGo(batch, at, State.lost)
    }
  }

  /** Gives back the batch's messages in a state, at most `most` and the last ones first; returns how many. It does not count as a delivery. */
  release(batch: HeldBatch, state: number, most = Number.POSITIVE_INFINITY): number {
    let count = 0
    for (let at = batch.states.length - 1; at >= 0 && count < most; at--) {
      if (batch.states[at] !== state) continue
      this.settler.settleQuietly(batch.lease, batch.baseOffset + at, 'release')
      this.#letGo(batch, at, State.released)
      count++
    }
    return count
  }

  /** Gives back what is in hand: nobody has finished it in time. */
  releaseInHand(): void {
    for (const batch of [...this.#batches]) this.release(batch, State.inHand)
  }

  /** Resolves when nothing is in hand, and nothing waits either if `all`. */
  whenQuiet(all: boolean): Promise<void> {
    return new Promise((resolve) => {
      const tell = () => {
        if (this.inHand > 0 || (all && this.buffered > 0)) return
        this.#quiet.delete(tell)
        resolve()
      }
      this.#quiet.add(tell)
      tell()
    })
  }
}
