import type { PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { Session, Wanted } from '../../protocol/feed.js'
import type { HeldToken, ReceiveResponse, SettleOutcome } from '../../protocol/service.js'
import { onAbort } from '../../runtime/on-abort.js'
import type { Timers } from '../../runtime/runtime.js'
import { closedReason } from '../client-side.js'
import { Fetcher, type FetchingConsumer } from './fetcher.js'
import { HeldBatch, HeldLease, type LeaseOwner } from './held-batch.js'
import { type KeptHoldings, LeaseKeeper } from './lease-keeper.js'
import { leaseLost } from './lease-lost.js'
import { Message } from './message.js'
import * as State from './message-state.js'
import type { ResolvedConsumerOptions } from './options.js'
import { Sessions } from './session.js'
import { Settler } from './settler.js'
import { MOST_BYTES, PrefetchWindow } from './window.js'

/** Messages handed out in one turn; more would hold up the host's event loop (performance.md). */
const PER_TURN = 500

/** Somebody who waits for the next message: undefined says that there will be none. */
interface Taker {
  readonly owner: object
  readonly resolve: (message: Message | undefined) => void
  readonly reject: (error: PortalError) => void
}

/**
 * What a consumer's loops, runs and receives share: the messages that it holds, the requests that bring and settle them, and
 * the turn in which both go out together.
 */
export class Engine implements LeaseOwner, KeptHoldings, FetchingConsumer {
  readonly side: ClientSide
  readonly options: ResolvedConsumerOptions
  readonly sessions: Sessions
  readonly settler: Settler
  readonly keeper: LeaseKeeper
  readonly fetcher: Fetcher
  readonly #window: PrefetchWindow
  /** Aborts when no more is received; its reason is what receives reject with. */
  readonly #ending = new AbortController()
  /** The broker or connection went first: loops and runs must not end as if all were well. */
  #failed = false
  /** Batches with messages that wait, in order. */
  #buffer: HeldBatch[] = []
  #bufferFrom = 0
  /** Batches with unsettled messages. */
  readonly #held = new TransientSet<HeldBatch>()
  #buffered = 0
  #inHand = 0
  #heldBytes = 0
  readonly #takers: Taker[] = []
  #streams = 0
  /** Why the stream broke, until somebody asks. */
  #failure: PortalError | undefined
  #room = PER_TURN
  #turnDeferred = false
  #forget: (() => void) | undefined
  /** Resolves when the consumer has closed. */
  readonly closed: Promise<void>
  #closed!: () => void
  #quiet: { readonly test: () => boolean; readonly resolve: () => void }[] = []

  constructor(side: ClientSide, topic: string, options: ResolvedConsumerOptions) {
    this.side = side
    this.options = options
    this.closed = new Promise((resolve) => {
      this.#closed = resolve
    })
    this.#window = new PrefetchWindow(options.prefetch, options.lease)
    this.sessions = new Sessions(side, topic, options, this.ending)
    this.settler = new Settler(side, options, {
      pending: () => this.wantTurn(),
      lost: (lease, ranges) => this.#lose(lease, ranges),
      extended: (lease, ranges, deadline) => this.keeper.extended(lease, ranges, deadline),
    })
    this.keeper = new LeaseKeeper(this, this.#held, options.lease)
    this.fetcher = new Fetcher(this)
    this.#forget = onAbort(side.closed, this.#connectionClosed)
  }

  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Why it ended, if that was not the consumer's own wish. */
  get endedBy(): PortalError | undefined {
    return this.#failed ? (this.ending.reason as PortalError) : undefined
  }

  get timers(): Timers {
    return this.side.runtime.timers
  }

  /** Monotonic. */
  now(): number {
    return this.side.runtime.clock.monotonic()
  }

  // Handing out --------------------------------------------------------------------------------------------------------

  /** A loop or a run begins to take messages, `concurrency` at a time. */
  openStream(concurrency: number): void {
    this.#streams++
    this.#window.changeConcurrency(concurrency)
  }

  /** It ends: its waits are cancelled; with the last one, what was not handed out is given back. */
  closeStream(owner: object, concurrency: number): void {
    this.#streams--
    this.#window.changeConcurrency(-concurrency)
    this.cancel(owner)
    if (this.#streams > 0) return
    this.fetcher.stop()
    this.#failure = undefined
    this.releaseBuffered()
  }

  /** The next message if one waits and this turn may still hand one out. */
  take(): Message | undefined {
    if (this.#buffered === 0 || this.#room <= 0 || this.#takers.length > 0) return undefined
    return this.#takeFirst()
  }

  /** The next message; undefined once there will be none. Rejects when the stream breaks. */
  next(owner: object): Promise<Message | undefined> {
    const message = this.take()
    if (message !== undefined) return Promise.resolve(message)
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) return Promise.reject(failure)
    // Once it has ended the turn says so.
    return new Promise((resolve, reject) => {
      this.#takers.push({ owner, resolve, reject })
      this.wantTurn()
    })
  }

  /** Ends the waits of a loop or run. */
  cancel(owner: object): void {
    for (let at = this.#takers.length - 1; at >= 0; at--) {
      if (this.#takers[at]!.owner === owner) this.#takers.splice(at, 1)[0]!.resolve(undefined)
    }
  }

  #takeFirst(): Message | undefined {
    for (let batch = this.#first; batch !== undefined; batch = this.#first) {
      const message = this.handOut(batch)
      if (message !== undefined) {
        this.#room--
        this.wantTurn()
        return message
      }
      this.#dropFirst()
    }
    return undefined
  }

  get #first(): HeldBatch | undefined {
    return this.#buffer[this.#bufferFrom]
  }

  #dropFirst(): void {
    this.#bufferFrom++
    if (this.#bufferFrom < 64 || this.#bufferFrom * 2 < this.#buffer.length) return
    this.#buffer.splice(0, this.#bufferFrom)
    this.#bufferFrom = 0
  }

  /** Looks at the oldest that wait: when their lease is over, somebody else has them; when it is long, there are too many. */
  #lookAtWaiting(): void {
    const now = this.now()
    for (let batch = this.#first; batch !== undefined && batch.deadline <= now; batch = this.#first) {
      this.dropOverdue(batch)
      this.#dropFirst()
    }
    const oldest = this.#first
    if (oldest === undefined || !this.#window.waited(oldest.arrivedAt, now)) return
    let surplus = Math.min(this.#buffered, this.#buffered + this.#inHand - this.#window.limit)
    for (let at = this.#buffer.length - 1; at >= this.#bufferFrom && surplus > 0; at--) {
      surplus -= this.release(this.#buffer[at]!, State.buffered, surplus)
    }
  }

  #serve(): void {
    while (this.#takers.length > 0 && this.#room > 0) {
      const message = this.#takeFirst()
      if (message === undefined) break
      this.#takers.shift()!.resolve(message)
    }
    if (this.ending.aborted && this.#buffered === 0) this.#endTakers()
  }

  #endTakers(): void {
    for (const taker of this.#takers.splice(0)) {
      if (this.#failed) taker.reject(this.ending.reason as PortalError)
      else taker.resolve(undefined)
    }
  }

  // Turns --------------------------------------------------------------------------------------------------------------

  wantTurn(): void {
    if (this.#turnDeferred) return
    this.#turnDeferred = true
    this.side.runtime.timers.defer(this.#turn)
  }

  /** Settlements first: they make room, and the request for more rides in the same commit. */
  readonly #turn = (): void => {
    this.#turnDeferred = false
    this.#room = PER_TURN
    if (this.#buffered > 0) this.#lookAtWaiting()
    this.fetcher.prepare()
    this.settler.send(this.fetcher.takeCredit)
    this.fetcher.fetch()
    this.#serve()
  }

  // Receiving ----------------------------------------------------------------------------------------------------------

  wanted(outstanding: number): Wanted | undefined {
    if (this.#streams === 0 || this.ending.aborted || this.#failure !== undefined) return undefined
    const messages = this.#window.room(this.#buffered + this.#inHand + outstanding, this.#buffered)
    const bytes = MOST_BYTES - this.#heldBytes
    return messages > 0 && bytes >= 1 ? { messages, bytes } : undefined
  }

  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number {
    const missed = this.#takers.length > 0 && this.#buffered === 0
    const count = this.accept(session, response)
    if (missed && all(count)) this.#window.ranDry()
    this.#serve()
    this.wantTurn()
    return count
  }

  heldTokens(session: Session): HeldToken[] {
    const leases = new Set<HeldLease>(this.settler.leases())
    for (const { lease } of this.#held) leases.add(lease)
    return [...leases]
      .filter((lease) => lease.session === session)
      .map(({ partition, token }) => ({ partition, token }))
  }

  /** The stream cannot go on: whoever waits hears of it, or the next one to ask. */
  broke(error: PortalError): void {
    if (this.ending.aborted) return
    if (this.#takers.length === 0) this.#failure = error
    for (const taker of this.#takers.splice(0)) taker.reject(error)
  }

  /** Takes what was leased into the buffer; gives it back if nobody wants it any more. Returns how many came. */
  accept(session: Session, response: ReceiveResponse): number {
    let count = 0
    for (const batch of this.hold(session, response)) {
      count += batch.unsettled
      this.#buffer.push(batch)
    }
    if (count > 0 && (this.#streams === 0 || this.ending.aborted)) this.releaseBuffered()
    return count
  }

  /** Books what was leased as waiting; nothing if the group was moved meanwhile. */
  hold(session: Session, response: ReceiveResponse): HeldBatch[] {
    const now = this.now()
    const batches: HeldBatch[] = []
    if (session !== this.sessions.current) return batches
    for (const { partition, token, batches: delivered } of response.deliveries) {
      const lease = new HeldLease(this, session, partition, token)
      for (const one of delivered) {
        const batch = new HeldBatch(lease, one, now, now + this.options.lease)
        lease.batches.push(batch)
        this.#held.add(batch)
        this.#buffered += batch.unsettled
        this.#heldBytes += batch.bytesEach * batch.unsettled
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
    this.#buffered--
    this.#inHand++
    return new Message(batch, at)
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

  extend(lease: HeldLease, offset: number): void {
    this.settler.settleQuietly(lease, offset, 'extend', this.options.lease)
  }

  watching(deadline: number): void {
    this.keeper.watching(deadline)
  }

  // Losing and giving back ---------------------------------------------------------------------------------------------

  /** A message in hand is settled. */
  settledInHand(batch: HeldBatch, at: number): void {
    batch.unwatch(at)
    this.#inHand--
    this.#settledOne(batch)
    this.wantTurn()
  }

  #settledOne(batch: HeldBatch): void {
    this.#heldBytes -= batch.bytesEach
    if (--batch.unsettled === 0) this.#held.delete(batch)
    if (this.#held.size === 0) {
      this.#heldBytes = 0
      this.keeper.end()
    }
    if (this.#quiet.length > 0) this.#tellQuiet()
  }

  /** Ends our hold on a message without a settlement. */
  #letGo(batch: HeldBatch, at: number, state: number): void {
    const before = batch.states[at]
    if (before === State.buffered) this.#buffered--
    else if (before === State.inHand) this.#inHand--
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
    this.wantTurn()
  }

  /** One message's lease is over. */
  lose(batch: HeldBatch, at: number): void {
    this.#letGo(batch, at, batch.watchOf(at) ? State.lost : State.overdue)
    this.wantTurn()
  }

  /** The lease of those that wait in the batch is over. */
  dropOverdue(batch: HeldBatch): void {
    batch.forEach(State.buffered, (_, at) => this.#letGo(batch, at, State.lost))
  }

  loseSession(session: Session): void {
    for (const batch of [...this.#held]) {
      if (batch.lease.session !== session) continue
      for (let at = 0; at < batch.states.length; at++) this.#letGo(batch, at, State.lost)
    }
  }

  /** Gives back what waits. It does not count as a delivery. */
  releaseBuffered(): void {
    for (const batch of this.#buffer.splice(0)) this.release(batch, State.buffered)
    this.#bufferFrom = 0
  }

  /** Gives back the batch's messages in a state, at most `most` and the last ones first; returns how many. */
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

  // Ending -------------------------------------------------------------------------------------------------------------

  /** Receives no more. What waits is still handed out to loops and runs. */
  stop(reason: PortalError): void {
    if (this.ending.aborted) return
    this.#ending.abort(reason)
    this.#failure = undefined
    this.#forget?.()
    this.fetcher.stop()
    if (this.#streams === 0) this.releaseBuffered()
    this.#serve()
  }

  /** Gives back everything that waits, and all loops and runs end once they have finished what they have in hand. */
  endStreams(): void {
    this.releaseBuffered()
    this.#endTakers()
  }

  /** Gives back what is in hand: nobody has finished it in time. */
  releaseInHand(): void {
    for (const batch of [...this.#held]) this.release(batch, State.inHand)
  }

  /** The consumer has closed, whatever still runs. */
  finish(): void {
    this.keeper.end()
    this.#closed()
  }

  /** Resolves when nothing is in hand, and nothing waits either if `all`. */
  whenQuiet(all: boolean): Promise<void> {
    const test = () => this.#inHand === 0 && (!all || this.#buffered === 0)
    if (test()) return Promise.resolve()
    return new Promise((resolve) => this.#quiet.push({ test, resolve }))
  }

  #tellQuiet(): void {
    this.#quiet = this.#quiet.filter(({ test, resolve }) => {
      if (!test()) return true
      resolve()
      return false
    })
  }

  readonly #connectionClosed = (): void => {
    this.#failed = true
    this.stop(closedReason(this.side))
    this.endStreams()
    // Their leases end with the broker, or by themselves; renewing them would keep the process alive for ever.
    this.releaseInHand()
  }
}
