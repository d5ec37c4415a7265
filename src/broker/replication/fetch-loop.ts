import { isPortalError, type PortalError } from '../../core/errors.js'
import type { FetchPosition, FetchResult, Incarnation, PeerService } from '../../protocol/peer-service.js'
import type { Runtime, Timer } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage } from '../../storage/storage.js'
import type { Follower } from './follower.js'
import { FollowerSession } from './follower-session.js'
import { installSnapshot, trustLog } from './install.js'

/** Milliseconds that a fetch waits for something new, at most: a follower that is silent for much longer is away. */
const WAIT = 2_000
/** How long a request under way goes on when there is more to ask for: what comes in a row goes together (ms). */
const GATHER = 5
/** Bytes of one answer. */
const MAX_BYTES = 1 << 20
/** How long to wait before asking again a leader that does not answer, or that does not lead (ms). */
const RETRY = 50
/** How soon it asks again one that does not lead a partition: mostly it is about to, and nothing is committed before it is followed (ms). */
const NOT_YET = 20
const LONGEST_RETRY = 1_000
/** After so many failures in a row, about 20 seconds, a person is told: one that died is no member any more by then. */
const STALLED = 24
/** How soon a follower tries again that cannot read what its leader writes, or must not (ms). */
const UNABLE = 30_000

export interface FetchLoopHost {
  readonly runtime: Runtime
  readonly storage: Storage
  /** Milliseconds that a follower may be silent and be in sync. */
  readonly lagTime: number
  cluster(): string
  self(): Incarnation
  /** The id of a session that begins: higher than those of all before. */
  nextSession(): number
  /** Nothing could be fetched for a while, although the other lives. */
  unreachable(error: PortalError): void
  /** What followers store cannot be trusted, or not read: they stop. */
  stopped(follower: Follower, error: PortalError): void
  /** A log is about to be replaced: it is not whole until `whole` says so. */
  installing(log: string): void
  isDistrusted(log: string): boolean
  whole(log: string): void
}

/** All partitions that this broker follows at one other: one request at a time for all of them. */
export class FetchLoop {
  readonly #host: FetchLoopHost
  readonly #peer: PeerService
  readonly #followers = new Set<Follower>()
  /** Those that are not asked for: their leader said no, or they are busy. Until when (monotonic ms). */
  readonly #resting = new Map<Follower, number>()
  readonly #session: FollowerSession
  /** How often in a row. */
  readonly #refused = new Map<Follower, number>()
  readonly #end = new AbortController()
  #request: AbortController | undefined
  #gathering: Timer | undefined
  #wake: () => void = () => {}
  #running: Promise<void> | undefined

  constructor(host: FetchLoopHost, peer: PeerService) {
    this.#host = host
    this.#peer = peer
    this.#session = new FollowerSession(() => host.nextSession())
  }

  add(follower: Follower): void {
    if (this.#followers.has(follower)) return
    this.#followers.add(follower)
    this.#include(follower)
    this.#wake()
    this.#running ??= this.#run()
  }

  delete(follower: Follower): void {
    this.#followers.delete(follower)
    this.#resting.delete(follower)
    this.#session.exclude(follower)
    this.#refused.delete(follower)
  }

  async stop(): Promise<void> {
    this.#end.abort()
    this.#request?.abort()
    this.#wake()
    await this.#running
    this.#gathering?.cancel()
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#end.signal.aborted) {
      const rested = this.#awaken()
      if (this.#session.isEmpty) {
        await this.#sleep(rested)
        continue
      }
      try {
        if (!(await this.#fetch(rested))) await this.#sleep(RETRY)
        failures = 0
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (error.code === 'ABORTED') continue
        if (++failures === STALLED) this.#host.unreachable(error)
        await this.#sleep(Math.min(LONGEST_RETRY, RETRY * 2 ** (failures - 1)))
      }
    }
  }

  /** Asks again for those that have rested; returns how long the next one still rests (ms). */
  #awaken(): number {
    const now = this.#host.runtime.clock.monotonic()
    let soonest = Number.POSITIVE_INFINITY
    for (const [follower, until] of this.#resting) {
      if (until > now) soonest = Math.min(soonest, until - now)
      else if (follower.isBusy) soonest = Math.min(soonest, RETRY)
      else {
        this.#resting.delete(follower)
        this.#session.include(follower)
      }
    }
    return soonest
  }

  /** Asks for it from now on; for one that is busy, once it knows where it stands. */
  #include(follower: Follower): void {
    if (follower.isBusy) this.#rest(follower, 0)
    else this.#session.include(follower)
    this.#gather()
  }

  /** The request under way does not name what is to be asked for now: it ends soon. */
  #gather(): void {
    if (this.#request === undefined) return
    this.#gathering ??= this.#host.runtime.timers.setTimeout(() => {
      this.#gathering = undefined
      this.#request?.abort()
    }, GATHER)
  }

  /** Returns false if the leader does not know the session any more. `rested`: how soon there is more to ask for (ms). */
  async #fetch(rested: number): Promise<boolean> {
    const { runtime, lagTime } = this.#host
    const asked = this.#session.request()
    this.#request = new AbortController()
    try {
      const { results, session } = await this.#peer.fetch(
        {
          cluster: this.#host.cluster(),
          from: this.#host.self(),
          wait: Math.min(WAIT, lagTime / 4, Math.max(NOT_YET, rested)),
          maxBytes: MAX_BYTES,
          now: Math.floor(runtime.clock.now()),
          ...asked,
        },
        { signal: this.#request.signal },
      )
      const isKnown = this.#session.answered(session)
      // Those that come while the answer is taken in are named by the next request.
      this.#request = undefined
      await Promise.all(
        results.map(async (result) => {
          const found = this.#session.find(result)
          // What comes when this has been stopped is for nobody: another loop may ask for its followers by now.
          if (found && !this.#end.signal.aborted) await this.#take(found.follower, found.asked, result)
        }),
      )
      return isKnown
    } finally {
      this.#request = undefined
      this.#gathering?.cancel()
      this.#gathering = undefined
    }
  }

  async #take(follower: Follower, asked: FetchPosition, result: FetchResult): Promise<void> {
    if (result.type === 'error') {
      const times = (this.#refused.get(follower) ?? 0) + 1
      this.#refused.set(follower, times)
      return this.#rest(follower, Math.min(2 * RETRY, NOT_YET * times))
    }
    this.#refused.delete(follower)
    try {
      if (result.type === 'behind' && follower.isAt(asked)) void this.#install(follower)
      else if (result.type !== 'behind') await this.#takeEntries(follower, asked, result)
      this.#session.moved(follower)
    } catch (error) {
      if (follower.closed) return
      if (!isPortalError(error)) throw error
      if (error.code === 'DISCONNECTED') return this.#rest(follower, RETRY)
      if (error.code !== 'CORRUPT' || follower.contradicted) this.#rest(follower, UNABLE)
      this.#host.stopped(follower, error)
    }
  }

  #rest(follower: Follower, delay: number): void {
    if (!this.#followers.has(follower)) return
    this.#session.exclude(follower)
    this.#resting.set(follower, this.#host.runtime.clock.monotonic() + delay)
  }

  /** A log that begins anew, from the first entry on, is whole once it has all that is committed. */
  async #takeEntries(follower: Follower, asked: FetchPosition, result: FetchResult): Promise<void> {
    await follower.take(asked, result)
    const { log } = follower
    if (result.type !== 'entries' || !this.#host.isDistrusted(log) || follower.closed) return
    if (follower.next < result.highWatermark || follower.next === 0) return
    await this.#host.storage.commit([trustLog(log)], { durable: true })
    this.#host.whole(log)
  }

  /** Beside the others: it may take long. */
  async #install(follower: Follower): Promise<void> {
    const { storage, runtime } = this.#host
    const { topicId, partition, epoch, log } = follower
    this.#rest(follower, 0)
    try {
      const request = { cluster: this.#host.cluster(), from: this.#host.self(), topicId, partition, epoch }
      await follower.reinstall(({ cleared, signal }) =>
        installSnapshot({ storage, runtime }, log, {
          peer: this.#peer,
          request,
          signal: AbortSignal.any([signal, this.#end.signal]),
          cleared: () => {
            this.#host.installing(log)
            cleared()
          },
        }),
      )
      if (!follower.closed) this.#host.whole(log)
    } catch (error) {
      if (!isPortalError(error)) throw error
      if (follower.closed) return
      if (error.code === 'STORAGE_FAILED') this.#host.stopped(follower, error)
      else this.#rest(follower, LONGEST_RETRY)
    } finally {
      this.#wake()
    }
  }

  async #sleep(delay: number): Promise<void> {
    const { timers } = this.#host.runtime
    await sleepUntil<true>(timers, 'fetch', { timeout: delay }, (resolve) => {
      this.#wake = () => resolve(true)
      if (this.#end.signal.aborted) resolve(true)
      return () => {}
    })
  }
}
