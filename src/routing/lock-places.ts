import { isPortalError } from '../core/errors.js'
import { murmur2 } from '../core/murmur2.js'
import { encodeUtf8 } from '../core/utf8.js'
import type {
  AcquireLockRequest,
  BrokerAddress,
  CallOptions,
  LockGrant,
  LockName,
} from '../protocol/service.js'
import { type Leader, type Leaders, passedOn } from './leaders.js'
import type { ClusterRoutes } from './routes.js'

/** How many locks' brokers are remembered; of others all are asked. */
const REMEMBERED = 10_000

/**
 * Where locks are asked for. A lock belongs to the session of the broker that gave it, and who waits for it stands in line there: so all ask the same
 * broker for a lock, which its name chooses among the living. When that choice changes meanwhile, the store still grants the lock to one at a time.
 */
export class LockPlaces {
  readonly #leaders: Leaders
  readonly #routes: ClusterRoutes
  /** The brokers that gave locks, by lock and token. */
  readonly #given = new Map<string, string>()

  constructor(leaders: Leaders, routes: ClusterRoutes) {
    this.#leaders = leaders
    this.#routes = routes
  }

  async acquire(request: AcquireLockRequest, call: CallOptions | undefined): Promise<LockGrant | undefined> {
    const [leader] = this.#placesOf(request.name)
    const grant = await this.#ask(leader!, () => leader!.service.acquireLock(request, passedOn(call)))
    if (grant !== undefined) this.#remember(keyOf({ ...request, ...grant }), leader!.id)
    return grant
  }

  /** LOCK_LOST once the broker that gave it says so, or all that live do; while one of them does not answer, it is not known. */
  async renew(request: LockName, call: CallOptions | undefined): Promise<void> {
    let lost: unknown
    let unknown: unknown
    for (const leader of this.#mayHaveGiven(request)) {
      try {
        await this.#ask(leader, () => leader.service.renewLock(request, passedOn(call)))
        return this.#remember(keyOf(request), leader.id)
      } catch (error) {
        if (isPortalError(error, 'LOCK_LOST')) lost = error
        else unknown = error
      }
    }
    if (unknown === undefined) this.#given.delete(keyOf(request))
    throw unknown ?? lost
  }

  async release(request: LockName, call: CallOptions | undefined): Promise<void> {
    const places = this.#mayHaveGiven(request)
    await Promise.all(
      places.map((leader) => this.#ask(leader, () => leader.service.releaseLock(request, passedOn(call)))),
    )
    this.#given.delete(keyOf(request))
  }

  #mayHaveGiven(request: LockName): readonly Leader[] {
    const places = this.#places(request.name, true)
    const giver = this.#given.get(keyOf(request))
    const known = places.filter(({ id }) => id === giver)
    return known.length > 0 ? known : places
  }

  /** The brokers that answer, the lock's own first; if none is known to answer, all. */
  #placesOf(name: string): readonly Leader[] {
    const answering = this.#places(name, false)
    return answering.length > 0 ? answering : this.#places(name, true)
  }

  /** By the highest hash of broker and lock: when one goes, only its locks move. */
  #places(name: string, all: boolean): readonly Leader[] {
    const weight = ({ id }: BrokerAddress) => murmur2(encodeUtf8(`${id}/${name}`))
    return [...this.#routes.brokers()]
      .map((address) => ({ address, weight: weight(address) }))
      .sort((a, b) => b.weight - a.weight || (a.address.id < b.address.id ? -1 : 1))
      .flatMap(({ address }) => {
        const leader = this.#leaders.broker(address, all)
        return leader ? [leader] : []
      })
  }

  async #ask<T>(leader: Leader, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask()
      this.#leaders.heard(leader, undefined, undefined)
      return answer
    } catch (error) {
      this.#leaders.heard(leader, undefined, undefined, error)
      throw error
    }
  }

  #remember(key: string, brokerId: string): void {
    this.#given.delete(key)
    this.#given.set(key, brokerId)
    if (this.#given.size > REMEMBERED) this.#given.delete(this.#given.keys().next().value!)
  }
}

function keyOf({ name, token }: LockName): string {
  return `${token}/${name}`
}
