import { PortalError } from '../core/errors.js'
import { checkName } from '../core/names.js'
import type { CallSignal } from '../runtime/call-signal.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Runtime } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import { FencingTokens } from './fencing-tokens.js'
import { HeldLock } from './held-lock.js'
import { LOCKS_PATH, LockPlace, type LockQueueParts, type LockToken } from './lock-queue.js'
import { NamedWaits } from './named-waits.js'
import { WaitLimit } from './wait-limit.js'

export interface LockRequest {
  readonly name: string
  /** Milliseconds that the lock lasts from its last renewal. */
  readonly ttl: number
  /** Milliseconds to wait for it. Undefined: until the signal aborts. 0: not at all. */
  readonly wait?: number | undefined
  /**
   * Names a wait that is made of several calls: one that comes soon after the end of the one before keeps its place in line. With a `wait` of 0 the
   * place is given up, and nothing is taken. Another one for each wait: a name that has had the lock is refused with ABORTED.
   */
  readonly waiter?: string | undefined
}

/**
 * Locks for the clients of a broker. In their order of coming, one at a time, each for its ttl by the monotonic clock.
 *
 * A holder is whom this service gave a token that it has neither released nor outlived. The nodes in the store belong to
 * the broker's session: when that ends, all its locks do.
 */
export class LockService {
  readonly #parts: LockQueueParts
  readonly #runtime: LockRuntime
  readonly #tokens: FencingTokens
  readonly #held = new Map<string, HeldLock>()
  readonly #waits = new Set<WaitLimit>()
  readonly #named: NamedWaits
  #over: PortalError | undefined

  constructor(store: CoordinationStore, runtime: LockRuntime) {
    this.#parts = { store, timers: runtime.timers, random: runtime.random }
    this.#runtime = runtime
    this.#tokens = new FencingTokens(store)
    this.#named = new NamedWaits(this.#parts, (...request) => this.#grant(...request))
    const { lost } = store.session
    onAbort(lost, () => this.#stop(sessionLost(lost.reason)))
  }

  /**
   * Waits for the lock; resolves to undefined if it did not come within `wait`. Rejects with ABORTED soon after the signal
   * aborts, CLOSED when the service closes, DISCONNECTED if the store cannot be reached or the session is lost.
   */
  async acquire(
    { name, ttl, wait = Infinity, waiter }: LockRequest,
    signal?: CallSignal,
  ): Promise<LockToken | undefined> {
    checkName('lock', name)
    checkTime('ttl', ttl, 1)
    if (wait !== Infinity) checkTime('wait', wait, 0)
    if (this.#over) throw this.#over
    if (waiter !== undefined && wait === 0) {
      this.#named.leave({ name, waiter })
      return undefined
    }
    const limit = new WaitLimit(this.#runtime.timers, { what: `Waiting for the lock ${name}`, wait, signal })
    if (limit.end !== undefined) throw limit.end
    this.#waits.add(limit)
    try {
      const work =
        waiter === undefined
          ? this.#enter(name, ttl, new LockPlace(this.#parts, name), limit)
          : this.#named.wait({ name, ttl, waiter }, limit)
      return await endedBy(limit, work)
    } finally {
      this.#waits.delete(limit)
      limit.dispose()
    }
  }

  /** Makes the lock last its ttl from now. LOCK_LOST if the token does not hold it; DISCONNECTED: unknown, try again. */
  async renew(name: string, token: number): Promise<void> {
    checkName('lock', name)
    const held = this.#find(name, token)
    const renewedAt = this.#runtime.clock.monotonic()
    // A session can end without this process knowing: only the store can say that the node is still there.
    if (held && (await held.place.isKept()) && this.#find(name, token) === held) held.renewFrom(renewedAt)
    else {
      if (held) void this.#drop(held)
      throw new PortalError(
        'LOCK_LOST',
        `The lock ${name} is no longer held by the token ${token}: acquire it again.`,
      )
    }
  }

  /** Resolves when the next one can have the lock, whether or not the token still held it. */
  async release(name: string, token: number): Promise<void> {
    checkName('lock', name)
    const held = this.#find(name, token)
    if (held) await this.#drop(held)
  }

  /** Removes what locks left behind that were held when a broker died. For one that opens; safe at any time. */
  async removeUnused(): Promise<void> {
    const { store } = this.#parts
    const names = await store.children(LOCKS_PATH)
    await Promise.all(names.map((name) => store.delete(`${LOCKS_PATH}/${name}`)))
  }

  /** Gives all locks back; those who wait get CLOSED. To be called before the store is closed. May be called twice. */
  async close(): Promise<void> {
    const held = [...this.#held.values()]
    this.#stop(new PortalError('CLOSED', 'The broker is closed: it gives no locks.'))
    await Promise.all(held.map(({ place }) => place.leave()))
  }

  async #enter(
    name: string,
    ttl: number,
    place: LockPlace,
    limit: WaitLimit,
  ): Promise<LockToken | undefined> {
    let joined = false
    try {
      // Not even a node is made for one who will not wait.
      if (limit.wait === 0 && (await place.isContended())) return undefined
      joined = true
      await place.join()
      const token = (await place.turn(limit)) ? await this.#grant(name, ttl, place, limit) : undefined
      if (token === undefined) void place.leave()
      return token
    } catch (error) {
      if (joined) void place.leave()
      throw error
    }
  }

  /**
   * The token is taken while this place is the first, and the place looked at again after that. So whoever comes first
   * later takes a token later, and a place that was lost meanwhile gets none: tokens rise in the order of the holders.
   */
  async #grant(
    name: string,
    ttl: number,
    place: LockPlace,
    limit: WaitLimit,
  ): Promise<LockToken | undefined> {
    const token = await this.#tokens.next()
    if (!(await place.isKept())) throw sessionLost(undefined)
    if (limit.end !== undefined || this.#over) return undefined
    limit.dispose()
    const held = new HeldLock({ name, token, ttl, place }, this.#runtime, () => void this.#drop(held))
    this.#held.set(name, held)
    return { token }
  }

  /** The lock as long as it is held: also when the timer that ends it is late. */
  #find(name: string, token: number): HeldLock | undefined {
    const held = this.#held.get(name)
    if (held?.token !== token) return undefined
    if (!held.isOver()) return held
    void this.#drop(held)
    return undefined
  }

  /** Holds it no longer here before it can be had elsewhere. */
  #drop(held: HeldLock): Promise<void> {
    if (this.#held.get(held.name) === held) this.#held.delete(held.name)
    held.dispose()
    return held.place.leave()
  }

  #stop(reason: PortalError): void {
    this.#over ??= reason
    for (const held of this.#held.values()) held.dispose()
    this.#held.clear()
    this.#named.stop(reason)
    for (const limit of [...this.#waits]) limit.endWith(reason)
  }
}

type LockRuntime = Pick<Runtime, 'clock' | 'timers' | 'random'>

/** The result of `work`, or how the limit ended if it did before: the work then cleans up by itself. */
function endedBy<T>(limit: WaitLimit, work: Promise<T | undefined>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    limit.onEnd(() => {
      if (limit.end === 'timeout') resolve(undefined)
      else reject(limit.end)
    })
    work.then(resolve, reject)
  })
}

function checkTime(what: string, value: number, least: number): void {
  if (Number.isFinite(value) && value >= least) return
  throw new PortalError(
    'INVALID_ARGUMENT',
    `The ${what} of a lock is a number of milliseconds, at least ${least}; it was ${value}.`,
  )
}

function sessionLost(cause: unknown): PortalError {
  return new PortalError(
    'DISCONNECTED',
    "The broker's coordination session was lost, and its locks with it: try again.",
    {
      cause,
    },
  )
}
