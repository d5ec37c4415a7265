import type { PortalError } from '../../core/errors.js'
import { type FollowerProgress, highWatermark } from '../../core/replication.js'
import type { Timers } from '../../runtime/runtime.js'

interface Pending {
  readonly index: number
  readonly callback: () => void
  readonly failed: ((error: PortalError) => void) | undefined
}

export interface HighWatermarkHost {
  readonly timers: Timers
  /** All that must have an entry before it is committed, besides this leader. */
  counting(): readonly FollowerProgress[]
  /** Whether the coordination session certainly lives: a leader that is alone in its in-sync set acknowledges only then. */
  sessionHolds(): boolean
  /** More is committed. */
  progressed(): void
}

/** How soon a leader that is alone asks again whether its session holds (ms). */
export const SESSION_CHECK = 50

/** What of a led partition is committed: fsynced by the leader and by all that count. Calls back those who wait for it. */
export class HighWatermark {
  readonly #host: HighWatermarkHost
  #durable: number
  #committed: number
  #pending: Pending[] = []
  #closed: PortalError | undefined
  #isTryingLater = false

  constructor(
    host: HighWatermarkHost,
    { durable, committed }: { readonly durable: number; readonly committed: number },
  ) {
    this.#host = host
    this.#durable = durable
    this.#committed = committed
  }

  /** Below it all is committed. */
  get committed(): number {
    return this.#committed
  }

  whenCommitted(index: number, callback: () => void, failed?: (error: PortalError) => void): void {
    if (this.#closed) failed?.(this.#closed)
    else this.#pending.push({ index, callback, failed })
  }

  /** All entries below `index` are fsynced by the leader. */
  durable(index: number): void {
    this.#durable = Math.max(this.#durable, index)
    this.advance()
  }

  /** Followers are further, or others count. */
  advance(): void {
    if (this.#closed) return
    const counting = this.#host.counting()
    const committed = highWatermark(this.#committed, this.#durable, counting)
    const first = this.#pending[0]?.index ?? Number.POSITIVE_INFINITY
    if (committed === this.#committed && first > committed) return
    // Alone, and the session may be over: another may lead by now.
    if (counting.length === 0 && !this.#host.sessionHolds()) return this.#tryLater()
    this.#committed = committed
    const pending = this.#pending
    let done = 0
    while (done < pending.length && pending[done]!.index <= committed) done++
    this.#pending = done === pending.length ? [] : pending.slice(done)
    for (let at = 0; at < done; at++) pending[at]!.callback()
    this.#host.progressed()
  }

  close(error: PortalError): void {
    this.#closed = error
    for (const { failed } of this.#pending.splice(0)) failed?.(error)
  }

  #tryLater(): void {
    if (this.#isTryingLater) return
    this.#isTryingLater = true
    this.#host.timers.setTimeout(() => {
      this.#isTryingLater = false
      this.advance()
    }, SESSION_CHECK)
  }
}
