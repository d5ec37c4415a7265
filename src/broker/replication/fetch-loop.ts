import { isPortalError, type PortalError } from '../../core/errors.js'
import type { FetchPosition, FetchResult, Incarnation, PeerService } from '../../protocol/peer-service.js'
import type { Runtime, Timer } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage } from '../../storage/storage.js'
import type { CopyRoom } from './copy-room.js'
import type { Follower } from './follower.js'
import { FollowerSession } from './follower-session.js'
import { installSnapshot, trustLog } from './install.js'
import { Resting } from './resting.js'
import { roomySource, throttledSource } from './snapshot-source.js'
import type { Share, Throttle } from './throttle.js'

/** Milliseconds that a fetch waits for something new, at most: a follower that is silent for much longer is away. */
const WAIT = 2_000
/** How long a request under way goes on when there is more to ask for: what comes in a row goes together (ms). */
const GATHER = 5
/** Bytes of one answer. */
const MAX_BYTES = 1 << 20
/** How long to wait before asking again a leader that does not answer, or that does not lead (ms). */
const RETRY = 50
/** The shortest time that a fetch waits where another partition has rested soon (ms). */
const SHORTEST_WAIT = 20
const LONGEST_RETRY = 1_000
/** After so many failures in a row, about 20 seconds, a person is told: one that died is no member any more by then. */
const STALLED = 24
/** Snapshots that are installed at the same time: each is read into memory as a whole, and all of them share the throttle. */
const MOST_INSTALLS = 2
/** How soon a follower tries again that cannot read what its leader writes, or must not (ms). */
const UNABLE = 30_000

export interface FetchLoopHost {
  readonly runtime: Runtime
  readonly storage: Storage
  /** Milliseconds that a follower may be silent and be in sync. */
  readonly lagTime: number
  /** For what followers add to the disk. */
  readonly room: CopyRoom
  cluster(): string
  self(): Incarnation
  /** The id of a session that begins: higher than those of all before. */
  nextSession(): number
  /** Nothing could be fetched for a while, although the other lives. */
  unreachable(error: PortalError): void
  /** Something was. */
  reached(): void
  /** What followers store cannot be trusted, or not read: they stop. */
  stopped(follower: Follower, error: PortalError): void
  /** A log is about to be replaced: it is not whole until it is installed, and may lack what is committed until `trusted` says that it does not. */
  installing(log: string): void
  installed(log: string): void
  isDistrusted(log: string): boolean
  trusted(log: string): void
}

export interface FetchLane {
  /** Of the fetch of those behind; undefined: it is that of those in sync, which nothing holds. */
  readonly throttle?: Throttle | undefined
  /** One belongs to the other fetch from now on, and this one's leader has been told so. */
  left(follower: Follower): void
}

/** Partitions that this broker follows at one other: one request at a time for all of them. */
export class FetchLoop {
  readonly #host: FetchLoopHost
  readonly #peer: PeerService
  readonly #lane: FetchLane
  readonly #followers = new Set<Follower>()
  readonly #resting: Resting
  /**
   * Those that go to the other fetch once the leader knows that this one does not ask for them: it must not hear from both where they stand
   * (invariant 6).
   */
  readonly #leaving = new Set<Follower>()
  readonly #session: FollowerSession
  readonly #end = new AbortController()
  /** What the next answer may bring. */
  #share: Share | undefined
  #installs = 0
  #request: AbortController | undefined
  #gathering: Timer | undefined
  #wake: () => void = () => {}
  #running: Promise<void> | undefined

  constructor(host: FetchLoopHost, peer: PeerService, lane: FetchLane) {
    this.#host = host
    this.#peer = peer
    this.#lane = lane
    this.#resting = new Resting(host.runtime.clock, host.room)
    this.#session = new FollowerSession(() => host.nextSession(), lane.throttle !== undefined)
  }

  /** It is asked for here, or was and the leader may not know yet that it is not. */
  holds(follower: Follower): boolean {
    return this.#followers.has(follower) || this.#session.isForgetting(follower)
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
    this.#leaving.delete(follower)
    this.#resting.delete(follower)
    this.#session.exclude(follower)
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
      const rested = this.#resting.awaken((follower) => this.#session.include(follower))
      const held = this.#held(rested)
      if (held > 0) {
        await this.#sleep(held)
        continue
      }
      try {
        if (!(await this.#fetch(rested))) await this.#sleep(RETRY)
        failures = 0
        this.#host.reached()
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (error.code === 'ABORTED') continue
        if (++failures === STALLED) this.#host.unreachable(error)
        await this.#sleep(Math.min(LONGEST_RETRY, RETRY * 2 ** (failures - 1)))
      }
    }
  }

  /** How long there is nothing to ask for, or it must wait (ms). Whoever leaves waits for nobody. */
  #held(rested: number): number {
    const { throttle } = this.#lane
    if (this.#leaving.size > 0) return 0
    if (this.#session.isEmpty) return rested
    if (!throttle) return 0
    this.#share ??= throttle.reserve(MAX_BYTES)
    return throttle.delay(this.#share)
  }

  /** Bytes to ask for: none that are not paid for, by one that only says who leaves. */
  #maxBytes(): number {
    const { throttle } = this.#lane
    if (!throttle) return MAX_BYTES
    return this.#share && throttle.delay(this.#share) === 0 ? this.#share.bytes : 0
  }

  #settle(results: readonly FetchResult[]): void {
    if (!this.#share) return
    this.#lane.throttle?.settle(this.#share, payloadsOf(results))
    this.#share = undefined
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
          wait: this.#leaving.size > 0 ? 0 : Math.min(WAIT, lagTime / 4, Math.max(SHORTEST_WAIT, rested)),
          maxBytes: this.#maxBytes(),
          now: Math.floor(runtime.clock.now()),
          ...asked,
        },
        { signal: this.#request.signal },
      )
      const isKnown = this.#session.answered(session)
      if (results.length > 0) this.#settle(results)
      this.#handOver()
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
    if (result.type === 'error') return this.#rest(follower, this.#resting.refused(follower))
    this.#resting.answered(follower)
    try {
      if (result.type === 'behind' && follower.isAt(asked)) this.#takeSnapshot(follower)
      else if (result.type === 'entries') await this.#takeEntries(follower, asked, result)
      else if (result.type === 'diverged') await follower.take(asked, result)
      this.#session.moved(follower)
      if (!this.#resting.has(follower) && this.#isMisplaced(follower, result)) this.#leave(follower)
    } catch (error) {
      if (follower.closed) return
      if (!isPortalError(error)) throw error
      if (error.code === 'DISCONNECTED') return this.#rest(follower, RETRY)
      if (error.code !== 'CORRUPT' || follower.contradicted) this.#rest(follower, UNABLE)
      this.#host.stopped(follower, error)
    }
  }

  #stall(follower: Follower): void {
    if (!this.#followers.has(follower)) return
    this.#session.exclude(follower)
    this.#resting.stall(follower)
  }

  #rest(follower: Follower, delay: number): void {
    if (!this.#followers.has(follower)) return
    this.#session.exclude(follower)
    this.#resting.rest(follower, delay)
  }

  /** As far as there is room. A log that begins anew, from the first entry or from a snapshot on, is trusted once it has all that is committed. */
  async #takeEntries(
    follower: Follower,
    asked: FetchPosition,
    result: FetchResult & { readonly type: 'entries' },
  ): Promise<void> {
    const entries = follower.isAt(asked) ? this.#host.room.fitting(result.entries) : result.entries
    await follower.take(asked, { ...result, entries })
    if (entries.length < result.entries.length) this.#stall(follower)
    const { log } = follower
    if (!this.#host.isDistrusted(log) || follower.closed) return
    if (!follower.hasAllOf(result.highWatermark)) return
    await this.#host.storage.commit([trustLog(log)], { durable: true })
    this.#host.trusted(log)
  }

  /**
   * Those in sync have all that is committed. Whoever has not is not of them: nothing waits for what it fetches, and that it does shall hold up
   * nobody.
   */
  #isMisplaced(follower: Follower, result: FetchResult): boolean {
    if (result.type !== 'entries' || result.highWatermark === 0) return false
    const isBehind = follower.next < result.highWatermark
    return isBehind !== (this.#lane.throttle !== undefined)
  }

  #leave(follower: Follower): void {
    if (!this.#followers.has(follower)) return
    this.#session.exclude(follower)
    this.#leaving.add(follower)
  }

  #handOver(): void {
    for (const follower of this.#leaving) {
      if (this.#session.isForgetting(follower)) continue
      this.delete(follower)
      this.#lane.left(follower)
    }
  }

  #takeSnapshot(follower: Follower): void {
    const { throttle } = this.#lane
    if (!throttle) this.#leave(follower)
    else if (this.#installs < MOST_INSTALLS) void this.#install(follower, throttle)
    else this.#rest(follower, LONGEST_RETRY)
  }

  /** Beside the others: it may take long. */
  async #install(follower: Follower, throttle: Throttle): Promise<void> {
    const { storage, runtime, room } = this.#host
    const { topicId, partition, epoch, log } = follower
    this.#rest(follower, 0)
    this.#installs++
    try {
      const request = { cluster: this.#host.cluster(), from: this.#host.self(), topicId, partition, epoch }
      await follower.reinstall(({ cleared, signal }) =>
        installSnapshot({ storage, runtime }, log, {
          peer: roomySource(throttledSource(this.#peer, throttle, runtime.timers), room, runtime.timers),
          request,
          signal: AbortSignal.any([signal, this.#end.signal]),
          // How large what cannot be read is, is not known: it goes first, and the copy waits where there is no room.
          fits: (bytes) => follower.isUntrusted || room.fits(bytes, follower.storedBytes),
          cleared: () => {
            this.#host.installing(log)
            cleared()
          },
        }),
      )
      if (!follower.closed) this.#host.installed(log)
    } catch (error) {
      if (!isPortalError(error)) throw error
      if (follower.closed) return
      if (error.code === 'STORAGE_FAILED') this.#host.stopped(follower, error)
      else if (error.code === 'STORAGE_FULL') this.#stall(follower)
      else this.#rest(follower, LONGEST_RETRY)
    } finally {
      this.#installs--
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

function* payloadsOf(results: readonly FetchResult[]): Generator<Uint8Array> {
  for (const result of results)
    if (result.type === 'entries') for (const { payload } of result.entries) yield payload
}
