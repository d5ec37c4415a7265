import type { PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import type { HeldBatch } from './held-batch.js'
import type { Holdings } from './holdings.js'
import type { Message } from './message.js'
import * as State from './message-state.js'
import type { PrefetchWindow } from './window.js'

/** Messages handed out in one turn; more would hold up the host's event loop (performance.md). */
const PER_TURN = 500

/** Somebody who waits for the next message: undefined says that there will be none. */
interface Taker {
  readonly owner: object
  readonly resolve: (message: Message | undefined) => void
  readonly reject: (error: PortalError) => void
}

/** Hands out what waits, in the order of coming, to loops and runs; so much in one turn. */
export class Dispenser {
  readonly #holdings: Holdings
  readonly #window: PrefetchWindow
  readonly #wantTurn: () => void
  /** Batches with messages that wait. */
  readonly #waiting = new TransientSet<HeldBatch>()
  readonly #takers: Taker[] = []
  /** Why nothing comes any more, until somebody asks. */
  failure: PortalError | undefined
  #room = PER_TURN

  constructor(holdings: Holdings, window: PrefetchWindow, wantTurn: () => void) {
    this.#holdings = holdings
    this.#window = window
    this.#wantTurn = wantTurn
  }

  /** Somebody waits, and there is nothing. */
  get isMissed(): boolean {
    return this.#takers.length > 0 && this.#holdings.buffered === 0
  }

  add(batch: HeldBatch): void {
    this.#waiting.add(batch)
  }

  /** The next message if one waits and this turn may still hand one out. */
  take(): Message | undefined {
    if (this.#holdings.buffered === 0 || this.#room <= 0 || this.#takers.length > 0) return undefined
    return this.#takeFirst()
  }

  /** Where there was nothing to take: the next message; undefined once there will be none. Rejects when the stream breaks. */
  next(owner: object): Promise<Message | undefined> {
    const failure = this.failure
    this.failure = undefined
    if (failure !== undefined) return Promise.reject(failure)
    // Once it has ended the turn says so.
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

  beginTurn(): void {
    this.#room = PER_TURN
    if (this.#holdings.buffered > 0) this.#lookAtWaiting()
  }

  serve(): void {
    while (this.#takers.length > 0 && this.#room > 0) {
      const message = this.#takeFirst()
      if (message === undefined) break
      this.#takers.shift()!.resolve(message)
    }
  }

  /** There will be no more; `error`: which is a failure. */
  end(error: PortalError | undefined): void {
    for (const taker of this.#takers.splice(0)) {
      if (error) taker.reject(error)
      else taker.resolve(undefined)
    }
  }

  /** Nothing comes any more: whoever waits hears of it, or the next one to ask. */
  broke(error: PortalError): void {
    if (this.#takers.length === 0) this.failure = error
    this.end(error)
  }

  /** Gives back what waits. */
  release(): void {
    for (const batch of this.#waiting) this.#holdings.release(batch, State.buffered)
    this.#waiting.clear()
  }

  #takeFirst(): Message | undefined {
    for (let batch = this.#waiting.first; batch !== undefined; batch = this.#waiting.first) {
      const message = this.#holdings.handOut(batch)
      if (message !== undefined) {
        this.#room--
        this.#wantTurn()
        return message
      }
      this.#waiting.delete(batch)
    }
    return undefined
  }

  /** Looks at the oldest that wait: when their lease is over, somebody else has them; when it is long, there are too many. */
  #lookAtWaiting(): void {
    const holdings = this.#holdings
    const now = holdings.now()
    let oldest = this.#waiting.first
    for (; oldest !== undefined && oldest.deadline <= now; oldest = this.#waiting.first) {
      holdings.dropOverdue(oldest)
      this.#waiting.delete(oldest)
    }
    if (oldest === undefined || !this.#window.waited(oldest.arrivedAt, now)) return
    let surplus = Math.min(holdings.buffered, holdings.buffered + holdings.inHand - this.#window.limit)
    for (const batch of [...this.#waiting].reverse())
      surplus -= holdings.release(batch, State.buffered, surplus)
  }
}
