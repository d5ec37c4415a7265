import { isPortalError, type PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import type { ClientSide } from '../../protocol/connection.js'
import type {
  HeldToken,
  ReceiveRequest,
  ReceiveResponse,
  SettleOutcome,
  StreamCredit,
} from '../../protocol/service.js'
import { randomId, type Timer, type Timers } from '../../runtime/runtime.js'
import { retryDelay, untilItSucceeds } from '../backoff.js'
import { asPortalError, closedReason } from '../client-side.js'
import { HeldBatch, HeldLease, type LeaseOwner, State } from './held-batch.js'
import { type KeptHoldings, LeaseKeeper } from './lease-keeper.js'
import { leaseLost } from './lease-lost.js'
import { Message } from './message.js'
import type { ResolvedConsumerOptions } from './options.js'
import { type Session, Sessions } from './session.js'
import { Settler } from './settler.js'
import { ConsumerStream } from './stream.js'
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
export class Engine implements LeaseOwner, KeptHoldings {
  readonly side: ClientSide
  readonly options: ResolvedConsumerOptions
  readonly sessions: Sessions
  readonly settler: Settler
  readonly keeper: LeaseKeeper
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
  #receiving: AbortController | undefined
  /** Instead of one receive after the other, where there are streams. */
  #stream: ConsumerStream | undefined
  #joining = false
  #retry: Timer | undefined
  #failures = 0
  /** Receives under way, of loops and of single messages. */
  #receives = 0
  /** An answer was lost: it may have granted what nobody knows of. */
  #answerLost = false
  /** Why the stream broke, until somebody asks. */
  #failure: PortalError | undefined
  #room = PER_TURN
  #turnDeferred = false
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
      pending: () => this.#wantTurn(),
      lost: (lease, ranges) => this.#lose(lease, ranges),
      extended: (lease, ranges, deadline) => this.keeper.extended(lease, ranges, deadline),
    })
    this.keeper = new LeaseKeeper(this, this.#held, options.lease)
    if (side.closed.aborted) this.#connectionClosed()
    else side.closed.addEventListener('abort', this.#connectionClosed)
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
    this.#receiving?.abort()
    this.#stream?.controller.abort()
    this.#retry?.cancel()
    this.#retry = undefined
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
    if (this.ending.aborted && this.#buffered === 0) {
      return this.#failed ? Promise.reject(this.ending.reason) : Promise.resolve(undefined)
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      return Promise.reject(failure)
    }
    return new Promise((resolve, reject) => {
      this.#takers.push({ owner, resolve, reject })
      this.#wantTurn()
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
      const at = batch.takeNext()
      if (at < 0) {
        this.#dropFirst()
        continue
      }
      this.#buffered--
      this.#inHand++
      this.#room--
      this.#wantTurn()
      return new Message(batch, at)
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

  #wantTurn(): void {
    if (this.#turnDeferred) return
    this.#turnDeferred = true
    this.side.runtime.timers.defer(this.#turn)
  }

  /** Settlements first: they make room, and the request for more rides in the same commit. */
  readonly #turn = (): void => {
    this.#turnDeferred = false
    this.#room = PER_TURN
    if (this.#buffered > 0) this.#lookAtWaiting()
    if (this.side.streams) this.#allow()
    this.settler.send(this.#takeCredit)
    if (this.side.streams) this.#tellCredit()
    else this.#fetch()
    this.#serve()
  }

  // Receiving ----------------------------------------------------------------------------------------------------------

  #fetch(): void {
    if (this.#streams === 0 || this.#receiving !== undefined || this.ending.aborted) return
    if (this.#retry !== undefined || this.#joining || this.#failure !== undefined) return
    const room = this.#window.room(this.#buffered + this.#inHand, this.#buffered)
    const bytes = MOST_BYTES - this.#heldBytes
    if (room <= 0 || bytes < 1) return
    const session = this.sessions.current
    if (session === undefined) this.#join()
    else this.#receive(session, room, Math.floor(bytes))
  }

  // Streams ------------------------------------------------------------------------------------------------------------

  /** Opens the stream, or allows it as much more as there is room for. */
  #allow(): void {
    if (this.#streams === 0 || this.ending.aborted) return
    if (this.#retry !== undefined || this.#joining || this.#failure !== undefined) return
    const stream = this.#stream
    // One that ends may still bring something.
    if (stream?.controller.signal.aborted) return
    const held = this.#buffered + this.#inHand + (stream?.outstanding ?? 0)
    const room = this.#window.room(held, this.#buffered)
    const bytes = MOST_BYTES - this.#heldBytes
    if (room <= 0 || bytes < 1) return
    if (stream !== undefined) return stream.allow(room, bytes)
    const session = this.sessions.current
    if (session === undefined) return this.#join()
    const opened = new ConsumerStream(randomId(this.side.runtime.random))
    opened.allow(room, bytes)
    this.#stream = opened
    void this.#listen(opened, session)
  }

  /** Credit for the next settlements to carry; a stream that is not open yet has its own. */
  readonly #takeCredit = (): StreamCredit | undefined =>
    this.#stream?.isOpen ? this.#stream.takeCredit() : undefined

  /** What no settlement carried goes by itself, until it has arrived or the stream is gone. */
  #tellCredit(): void {
    const stream = this.#stream
    const credit = this.#takeCredit()
    if (stream === undefined || credit === undefined) return
    const { runtime, service } = this.side
    const { signal } = stream.controller
    untilItSucceeds(runtime, Number.POSITIVE_INFINITY, signal, () =>
      service.addCredit(credit, { signal }),
    ).catch(() => {
      // The stream itself says what is wrong.
    })
  }

  async #listen(stream: ConsumerStream, session: Session): Promise<void> {
    const { group, consumerId, lease } = this.options
    const { topicId, generation } = session
    const held = this.#recover(session)
    const credit = stream.takeCredit()!
    const request = {
      topicId,
      group,
      generation,
      consumer: consumerId,
      lease,
      held,
      stream: stream.id,
      credit,
    }
    let failure: unknown
    this.#receives++
    try {
      for await (const response of this.side.service.receiveStream(request, {
        signal: stream.controller.signal,
      })) {
        this.#heard(stream, session, response)
      }
    } catch (error) {
      failure = error
    }
    this.#receives--
    if (isPortalError(failure, 'DISCONNECTED', 'TIMEOUT')) this.#answerLost = true
    stream.controller.abort()
    this.#stream = undefined
    if (failure === undefined || isPortalError(failure, 'ABORTED')) this.#wantTurn()
    else this.#receiveFailed(session, asPortalError(failure))
  }

  #heard(stream: ConsumerStream, session: Session, response: ReceiveResponse): void {
    this.#failures = 0
    const missed = this.#takers.length > 0 && this.#buffered === 0
    const count = this.accept(session, response)
    stream.arrived(response, count)
    if (missed && count > 0 && stream.outstanding <= 0) this.#window.ranDry()
    this.#serve()
    this.#wantTurn()
  }

  #join(): void {
    this.#joining = true
    this.sessions.join().then(
      () => {
        this.#joining = false
        this.#wantTurn()
      },
      (error: unknown) => {
        this.#joining = false
        this.#break(asPortalError(error))
      },
    )
  }

  #receive(session: Session, maxMessages: number, maxBytes: number): void {
    const controller = new AbortController()
    this.#receiving = controller
    this.receive(session, { maxMessages, maxBytes }, controller.signal).then(
      (response) => {
        this.#receiving = undefined
        this.#failures = 0
        const missed = this.#takers.length > 0 && this.#buffered === 0
        const count = this.accept(session, response)
        if (missed && count >= maxMessages) this.#window.ranDry()
        this.#serve()
        this.#wantTurn()
      },
      (thrown: unknown) => {
        this.#receiving = undefined
        if (controller.signal.aborted) this.#wantTurn()
        else this.#receiveFailed(session, asPortalError(thrown))
      },
    )
  }

  /** Asks the broker for messages. After a lost answer, and while no other receive is under way, it says what is held. */
  async receive(
    session: Session,
    wanted: Pick<ReceiveRequest, 'maxMessages' | 'maxBytes' | 'wait'>,
    signal: AbortSignal,
  ): Promise<ReceiveResponse> {
    const { group, consumerId, lease } = this.options
    const { topicId, generation } = session
    const held = this.#recover(session)
    const request = { topicId, group, generation, consumer: consumerId, lease, held, ...wanted }
    this.#receives++
    try {
      return await this.side.service.receive(request, { signal })
    } catch (error) {
      if (isPortalError(error, 'DISCONNECTED', 'TIMEOUT')) this.#answerLost = true
      throw error
    } finally {
      this.#receives--
    }
  }

  /** What is held, for the broker to compare, if an answer was lost and no other is on its way. */
  #recover(session: Session): HeldToken[] | undefined {
    if (!this.#answerLost || this.#receives > 0) return undefined
    this.#answerLost = false
    return this.#heldTokens(session)
  }

  /** The leases whose messages wait, are in hand, or are about to be settled. */
  #heldTokens(session: Session): HeldToken[] {
    const leases = new Set<HeldLease>(this.settler.leases())
    for (const { lease } of this.#held) leases.add(lease)
    return [...leases]
      .filter((lease) => lease.session === session)
      .map(({ partition, token }) => ({ partition, token }))
  }

  /** What both loops and `receive` do about an error: true if it is worth another try. */
  survives(session: Session | undefined, error: PortalError): boolean {
    if (this.ending.aborted) return false
    if (error.code === 'GROUP_NOT_FOUND' || error.code === 'TOPIC_NOT_FOUND') {
      if (session === undefined) return false
      this.sessions.leave(session)
      this.#loseSession(session)
      return true
    }
    return error.retriable
  }

  #receiveFailed(session: Session, error: PortalError): void {
    if (!this.survives(session, error)) return this.#break(error)
    // The group was moved: join it again at once, but do not run in circles.
    this.#failures++
    if (!error.retriable && this.#failures === 1) return this.#wantTurn()
    const { timers, random } = this.side.runtime
    this.#retry = timers.setTimeout(
      () => {
        this.#retry = undefined
        this.#wantTurn()
      },
      retryDelay(this.#failures, random),
    )
  }

  /** The stream cannot go on: whoever waits hears of it, or the next one to ask. */
  #break(error: PortalError): void {
    if (this.ending.aborted) return
    if (this.#takers.length === 0) this.#failure = error
    for (const taker of this.#takers.splice(0)) taker.reject(error)
  }

  /** Takes what was leased into the buffer; gives it back if nobody wants it any more. Returns how many came. */
  accept(session: Session, response: ReceiveResponse): number {
    let count = 0
    for (const batch of this.hold(session, response)) {
      const left = batch.unsettled
      count += left
      this.#buffered += left
      this.#buffer.push(batch)
    }
    if (count > 0 && (this.#streams === 0 || this.ending.aborted)) this.releaseBuffered()
    return count
  }

  /** Books what was leased; nothing if the group was moved meanwhile. */
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
        this.#heldBytes += batch.bytesEach * batch.unsettled
        batches.push(batch)
      }
    }
    this.keeper.begin()
    return batches
  }

  /** Books the one message of a receive as handed out. */
  handOut(batch: HeldBatch): Message | undefined {
    const at = batch.takeNext()
    if (at < 0) return undefined
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
    this.#wantTurn()
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
    this.#wantTurn()
  }

  /** One message's lease is over. */
  lose(batch: HeldBatch, at: number): void {
    this.#letGo(batch, at, State.lost)
    this.#wantTurn()
  }

  /** The lease of those that wait in the batch is over. */
  dropOverdue(batch: HeldBatch): void {
    batch.forEach(State.buffered, (_, at) => this.#letGo(batch, at, State.lost))
  }

  #loseSession(session: Session): void {
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
    this.side.closed.removeEventListener('abort', this.#connectionClosed)
    this.#receiving?.abort()
    this.#stream?.controller.abort()
    this.#retry?.cancel()
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
