import type { PortalError } from '../../core/errors.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { Session, Wanted } from '../../protocol/feed.js'
import type { ReceiveResponse } from '../../protocol/service.js'
import { onAbort } from '../../runtime/on-abort.js'
import { closedReason } from '../client-side.js'
import { Dispenser } from './dispenser.js'
import { Fetcher, type FetchingConsumer } from './fetcher.js'
import type { HeldBatch } from './held-batch.js'
import { Holdings } from './holdings.js'
import type { ResolvedConsumerOptions } from './options.js'
import { Sessions } from './session.js'
import { MOST_BYTES, PrefetchWindow } from './window.js'

/**
 * What a consumer's loops, runs and receives share: the requests that bring messages, those that settle them, and the turn in which both go out
 * together; and how all of it ends.
 */
export class Engine implements FetchingConsumer {
  readonly side: ClientSide
  readonly options: ResolvedConsumerOptions
  readonly sessions: Sessions
  readonly holdings: Holdings
  readonly dispenser: Dispenser
  readonly fetcher: Fetcher
  readonly #window: PrefetchWindow
  /** Aborts when no more is received; its reason is what receives reject with. */
  readonly #ending = new AbortController()
  /** Why the broker or connection went first, if so: loops and runs must not end as if all were well. */
  endedBy: PortalError | undefined
  #streams = 0
  #turnDeferred = false
  #forget: (() => void) | undefined
  /** Resolves when the consumer has closed. */
  readonly closed: Promise<void>
  #closed!: () => void

  constructor(side: ClientSide, topic: string, options: ResolvedConsumerOptions) {
    this.side = side
    this.options = options
    this.closed = new Promise((resolve) => {
      this.#closed = resolve
    })
    this.sessions = new Sessions(side, topic, options, this.ending)
    this.#window = new PrefetchWindow(options.prefetch, options.lease)
    this.holdings = new Holdings(side, options, this.wantTurn)
    this.dispenser = new Dispenser(this.holdings, this.#window, this.wantTurn)
    this.fetcher = new Fetcher(this)
    this.#forget = onAbort(side.closed, this.#connectionClosed)
  }

  get ending(): AbortSignal {
    return this.#ending.signal
  }

  // Streams ------------------------------------------------------------------------------------------------------------

  /** A loop or a run begins to take messages, `concurrency` at a time. */
  openStream(concurrency: number): void {
    this.#streams++
    this.#window.changeConcurrency(concurrency)
  }

  /** It ends: its waits are cancelled; with the last one, what was not handed out is given back. */
  closeStream(owner: object, concurrency: number): void {
    this.#streams--
    this.#window.changeConcurrency(-concurrency)
    this.dispenser.cancel(owner)
    if (this.#streams > 0) return
    this.fetcher.stop()
    this.dispenser.failure = undefined
    this.dispenser.release()
  }

  // Turns --------------------------------------------------------------------------------------------------------------

  readonly wantTurn = (): void => {
    if (this.#turnDeferred) return
    this.#turnDeferred = true
    this.side.runtime.timers.defer(this.#turn)
  }

  /** Settlements first: they make room, and the request for more rides in the same commit. */
  readonly #turn = (): void => {
    this.#turnDeferred = false
    this.dispenser.beginTurn()
    this.fetcher.prepare()
    this.holdings.settler.send(this.fetcher.takeCredit)
    this.fetcher.fetch()
    this.#serve()
  }

  #serve(): void {
    this.dispenser.serve()
    if (this.ending.aborted && this.holdings.buffered === 0) this.dispenser.end(this.endedBy)
  }

  // Receiving ----------------------------------------------------------------------------------------------------------

  wanted(outstanding: number): Wanted | undefined {
    if (this.#streams === 0 || this.ending.aborted || this.dispenser.failure !== undefined) return undefined
    const { holdings } = this
    const messages = this.#window.room(holdings.buffered + holdings.inHand + outstanding, holdings.buffered)
    const bytes = MOST_BYTES - holdings.bytes
    return messages > 0 && bytes >= 1 ? { messages, bytes } : undefined
  }

  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number {
    const { isMissed } = this.dispenser
    let count = 0
    for (const batch of this.hold(session, response)) {
      count += batch.unsettled
      this.dispenser.add(batch)
    }
    // Nobody wants it any more.
    if (count > 0 && (this.#streams === 0 || this.ending.aborted)) this.dispenser.release()
    // Brokers of before do not say it: a guess, for what was allowed since it was leased counts as well.
    if (isMissed && (response.more ?? all(count))) this.#window.ranDry()
    this.#serve()
    this.wantTurn()
    return count
  }

  /** Holds what was leased; nothing if the group was moved meanwhile. */
  hold(session: Session, response: ReceiveResponse): HeldBatch[] {
    return session === this.sessions.current ? this.holdings.hold(session, response) : []
  }

  broke(error: PortalError): void {
    if (!this.ending.aborted) this.dispenser.broke(error)
  }

  // Ending -------------------------------------------------------------------------------------------------------------

  /** Receives no more. What waits is still handed out to loops and runs. */
  stop(reason: PortalError): void {
    if (this.ending.aborted) return
    this.#ending.abort(reason)
    this.dispenser.failure = undefined
    this.#forget?.()
    this.fetcher.stop()
    if (this.#streams === 0) this.dispenser.release()
    this.#serve()
  }

  /** Gives back everything that waits, and all loops and runs end once they have finished what they have in hand. */
  endStreams(): void {
    this.dispenser.release()
    this.dispenser.end(this.endedBy)
  }

  /** The consumer has closed, whatever still runs. */
  finish(): void {
    this.holdings.keeper.end()
    this.#closed()
  }

  readonly #connectionClosed = (): void => {
    this.endedBy = closedReason(this.side)
    this.stop(this.endedBy)
    this.endStreams()
    // Their leases end with the broker, or by themselves; renewing them would keep the process alive for ever.
    this.holdings.releaseInHand()
  }
}
