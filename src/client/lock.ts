import { abortedError, isPortalError, PortalError } from '../core/errors.js'
import { checkName } from '../core/names.js'
import type { ClientSide, Connection } from '../protocol/connection.js'
import type { LockGrant } from '../protocol/service.js'
import { onAbort } from '../runtime/on-abort.js'
import { randomId, type Timer } from '../runtime/runtime.js'
import { untilItSucceeds } from './backoff.js'
import { asPortalError, clientSideOf, closedReason } from './client-side.js'
import { checkOptionNames, durationOption, signalOption } from './options.js'

export interface LockOptions {
  /** Milliseconds that the lock outlives its holder's last sign of life; at least 100. @default 10,000 */
  readonly ttl?: number | undefined
}

export interface AcquireOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A named lock: one holder at a time among all clients of the broker, in their order of coming.
 *
 * A holder that is stopped (a long pause, a lost connection) may lose the lock without noticing at once. So pass `token`, which rises with every holder, to
 * whatever the lock protects, and let that refuse lower ones: a fencing token.
 *
 * @example
 * const held = await new Lock(broker, 'nightly-report').acquire()
 * try { await report(held.token, held.signal) } finally { await held.release() }
 */
export class Lock {
  readonly #side: ClientSide
  readonly #name: string
  readonly #ttl: number

  constructor(connection: Connection, name: string, options: LockOptions = {}) {
    this.#side = clientSideOf(connection)
    checkName('lock', name)
    checkOptionNames('Lock', options, ['ttl'])
    this.#name = name
    this.#ttl = durationOption('ttl', options.ttl, 10_000, { min: 100 })
  }

  /** Waits for the lock. Rejects with ABORTED when the signal aborts, CLOSED when the broker closes. */
  async acquire(options: AcquireOptions = {}): Promise<HeldLock> {
    checkOptionNames('acquire', options, ['signal'])
    const held = await this.#acquire(undefined, signalOption('signal', options.signal))
    if (held) return held
    throw new PortalError('TIMEOUT', `The lock ${this.#name} could not be had.`)
  }

  /** The lock if it is free, else null. */
  async tryAcquire(): Promise<HeldLock | null> {
    return (await this.#acquire(0, undefined)) ?? null
  }

  async #acquire(wait: number | undefined, signal: AbortSignal | undefined): Promise<HeldLock | undefined> {
    if (this.#side.closed.aborted) throw closedReason(this.#side)
    const askedAt = this.#side.runtime.clock.monotonic()
    const request = { name: this.#name, ttl: this.#ttl, wait }
    const { service, runtime, closed } = this.#side
    // Whoever waits for the lock waits for a broker that is away, too.
    const patience = wait === 0 ? 0 : Number.POSITIVE_INFINITY
    // Its place in line is kept from one try to the next.
    let waiter = wait === 0 ? undefined : randomId(runtime.random)
    const ask = (): Promise<LockGrant | undefined> =>
      service.acquireLock({ ...request, waiter }, { signal }).catch((error) => {
        if (waiter === undefined || signal?.aborted) throw error
        if (isPortalError(error, 'INVALID_ARGUMENT')) {
          // A broker of before, which knows no names of waits.
          waiter = undefined
          return ask()
        }
        // A grant was lost on its way: it is over when its time is, and this is another wait.
        if (isPortalError(error, 'ABORTED')) waiter = randomId(runtime.random)
        throw error
      })
    const grant = await untilItSucceeds(runtime, patience, signal ?? closed, ask).catch((error) => {
      // The place is kept for those who come back.
      if (signal?.aborted && waiter) service.acquireLock({ ...request, wait: 0, waiter }).catch(() => {})
      throw closed.aborted ? closedReason(this.#side) : error
    })
    if (!grant) return undefined
    if (signal?.aborted) {
      // It was on its way when its caller left.
      await this.#side.service.releaseLock({ name: this.#name, token: grant.token }).catch(() => {})
      throw abortedError(`Waiting for the lock ${this.#name}`, signal)
    }
    // Counted from the asking only when nobody was waited for: the grant itself began no earlier than now less the way back.
    const since = wait === 0 ? askedAt : this.#side.runtime.clock.monotonic()
    return new HeldLock(this.#side, this.#name, grant.token, this.#ttl, since)
  }
}

/** A lock in hand; renewed by itself until it is released or lost. */
export class HeldLock {
  /** Higher than that of every holder before, across restarts. */
  readonly token: number
  readonly #side: ClientSide
  readonly #name: string
  readonly #ttl: number
  readonly #lost = new AbortController()
  #goodUntil: number
  #timer: Timer | undefined
  #renewing = false
  #over = false
  #forget: (() => void) | undefined

  /** @internal */
  constructor(side: ClientSide, name: string, token: number, ttl: number, since: number) {
    this.#side = side
    this.#name = name
    this.token = token
    this.#ttl = ttl
    this.#goodUntil = since + ttl
    this.#forget = onAbort(side.closed, this.#onClosed)
    if (!this.#over) this.#schedule()
  }

  /** Aborts when the lock is lost; its reason is a PortalError. */
  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Gives the lock to the next. Never rejects for a lock that was lost before. May be called twice. */
  async release(): Promise<void> {
    if (this.#over) return
    this.#end()
    try {
      await this.#side.service.releaseLock({ name: this.#name, token: this.token })
    } catch (error) {
      // Unreachable or closed: it ends by itself when its time is over.
      if (!isPortalError(error)) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  readonly #onClosed = () => this.#lose(closedReason(this.#side))

  /** Renews every third of the time to live, and wakes at the end of it: an answer that never comes must not hide that. */
  #schedule(): void {
    const { clock, timers } = this.#side.runtime
    const left = this.#goodUntil - clock.monotonic()
    const wait = this.#renewing ? left : Math.min(this.#ttl / 3, left)
    this.#timer?.cancel()
    this.#timer = timers.setTimeout(this.#wake, Math.max(0, wait))
  }

  readonly #wake = (): void => {
    if (this.#side.runtime.clock.monotonic() >= this.#goodUntil) {
      this.#lose(
        new PortalError('LOCK_LOST', `The lock ${this.#name} was lost: it could not be renewed in time.`),
      )
    } else if (!this.#renewing) void this.#renew()
    else this.#schedule()
  }

  /** Its time counts from the sending of a renewal: the answer may have been long under way. */
  async #renew(): Promise<void> {
    const sentAt = this.#side.runtime.clock.monotonic()
    this.#renewing = true
    this.#schedule()
    try {
      await this.#side.service.renewLock({ name: this.#name, token: this.token })
      this.#goodUntil = sentAt + this.#ttl
    } catch (thrown) {
      const error = asPortalError(thrown)
      if (!error.retriable) this.#lose(error)
    }
    this.#renewing = false
    if (!this.#over) this.#schedule()
  }

  #lose(reason: PortalError): void {
    if (this.#over) return
    this.#end()
    this.#lost.abort(reason)
  }

  #end(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#forget?.()
  }
}
