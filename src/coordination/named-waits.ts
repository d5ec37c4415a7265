import { PortalError } from '../core/errors.js'
import { RecentSet } from '../core/recent-set.js'
import { LockPlace, type LockQueueParts, type LockToken } from './lock-queue.js'
import { NamedWait } from './named-wait.js'
import type { WaitEnd, WaitLimit } from './wait-limit.js'

/** How many waits that have had their lock are remembered. */
const REMEMBERED = 4_096

export interface NamedWaitRequest {
  readonly name: string
  /** Milliseconds. */
  readonly ttl: number
  readonly waiter: string
}

/** Takes a token for the place that is the first; undefined if the limit has ended meanwhile. */
export type GrantLock = (
  name: string,
  ttl: number,
  place: LockPlace,
  limit: WaitLimit,
) => Promise<LockToken | undefined>

/** The waits for locks that are made of several calls, each known by the name that its waiter has chosen. */
export class NamedWaits {
  readonly #parts: LockQueueParts
  readonly #grant: GrantLock
  readonly #waits = new Map<string, NamedWait>()
  /** A copy of a call that has had its lock must not wait for another: nobody would release it. */
  readonly #granted = new RecentSet(REMEMBERED)

  constructor(parts: LockQueueParts, grant: GrantLock) {
    this.#parts = parts
    this.#grant = grant
  }

  /** Waits in the place that the waiter has, or takes the last. What ends the limit ends this call, and the place is kept for a while. */
  wait(request: NamedWaitRequest, limit: WaitLimit): Promise<LockToken | undefined> {
    const key = keyOf(request)
    if (this.#granted.has(key)) return Promise.reject(grantedBefore(request))
    let wait = this.#waits.get(key)
    if (wait === undefined || wait.limit.end !== undefined) {
      wait = new NamedWait(this.#parts.timers, `Waiting for the lock ${request.name}`)
      this.#waits.set(key, wait)
      void this.#run(key, request.name, wait)
    }
    const attended = wait
    return new Promise((resolve, reject) => {
      attended.attend({ ttl: request.ttl, limit, resolve, reject })
    })
  }

  /** Gives the waiter's place up, if it has one. */
  leave(request: Pick<NamedWaitRequest, 'name' | 'waiter'>): void {
    this.#waits.get(keyOf(request))?.limit.endWith('timeout')
  }

  stop(reason: WaitEnd): void {
    for (const wait of [...this.#waits.values()]) wait.limit.endWith(reason)
  }

  async #run(key: string, name: string, wait: NamedWait): Promise<void> {
    const place = new LockPlace(this.#parts, name)
    let isHeld = false
    try {
      await place.join()
      if (await place.turn(wait.limit)) isHeld = await this.#give(key, name, place, wait)
    } catch (error) {
      wait.fail(error)
    }
    if (this.#waits.get(key) === wait) this.#waits.delete(key)
    wait.dispose()
    if (!isHeld) void place.leave()
  }

  /** Its turn has come: the lock goes to the call that is there, or the next to come. Resolves to whether one has had it. */
  async #give(key: string, name: string, place: LockPlace, wait: NamedWait): Promise<boolean> {
    for (let call = await wait.attended(); call !== undefined; call = await wait.attended()) {
      const grant = await this.#grant(name, call.ttl, place, call.limit)
      if (grant === undefined) continue
      this.#granted.add(key)
      call.resolve(grant)
      return true
    }
    return false
  }
}

function keyOf({ name, waiter }: Pick<NamedWaitRequest, 'name' | 'waiter'>): string {
  return `${name}/${waiter}`
}

function grantedBefore({ name, waiter }: NamedWaitRequest): PortalError<'ABORTED'> {
  return new PortalError(
    'ABORTED',
    `The waiter ${waiter} has been given the lock ${name} before: wait for it again under another name.`,
    { retriable: true },
  )
}
