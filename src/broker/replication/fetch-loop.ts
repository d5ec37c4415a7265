import { isPortalError, type PortalError } from '../../core/errors.js'
import type { FetchPosition, FetchResult, Incarnation, PeerService } from '../../protocol/peer-service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage } from '../../storage/storage.js'
import type { Follower } from './follower.js'
import { installSnapshot, trustLog } from './install.js'

/** Milliseconds that a fetch waits for something new: a follower that is silent for much longer is away. */
const WAIT = 500
/** Bytes of one answer. */
const MAX_BYTES = 1 << 20
/** How long to wait before asking again a leader that does not answer, or that does not lead (ms). */
const RETRY = 50
const LONGEST_RETRY = 1_000
/** After so many failures in a row, about 20 seconds, a person is told: one that died is no member any more by then. */
const STALLED = 24
/** How soon a follower tries again that cannot read what its leader writes, or must not (ms). */
const UNABLE = 30_000

export interface FetchLoopHost {
  readonly runtime: Runtime
  readonly storage: Storage
  cluster(): string
  self(): Incarnation
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
  /** Followers whose leader said no, until when (monotonic ms). */
  readonly #resting = new Map<Follower, number>()
  readonly #end = new AbortController()
  #request: AbortController | undefined
  #wake: () => void = () => {}
  #running: Promise<void> | undefined

  constructor(host: FetchLoopHost, peer: PeerService) {
    this.#host = host
    this.#peer = peer
  }

  get isIdle(): boolean {
    return this.#followers.size === 0
  }

  add(follower: Follower): void {
    if (this.#followers.has(follower)) return
    this.#followers.add(follower)
    // The one under way does not name it.
    this.#request?.abort()
    this.#wake()
    this.#running ??= this.#run()
  }

  delete(follower: Follower): void {
    this.#followers.delete(follower)
    this.#resting.delete(follower)
  }

  async stop(): Promise<void> {
    this.#end.abort()
    this.#request?.abort()
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#host.runtime
    let failures = 0
    while (!this.#end.signal.aborted) {
      const now = clock.monotonic()
      const asking = [...this.#followers].filter((follower) => this.#mayAsk(follower, now))
      if (asking.length === 0) {
        await this.#sleep(this.#followers.size === 0 ? Number.POSITIVE_INFINITY : RETRY)
        continue
      }
      try {
        await this.#fetch(asking)
        failures = 0
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (error.code === 'ABORTED') continue
        if (++failures === STALLED) this.#host.unreachable(error)
        await this.#sleep(Math.min(LONGEST_RETRY, RETRY * 2 ** (failures - 1)))
      }
    }
  }

  #mayAsk(follower: Follower, now: number): boolean {
    if (follower.closed || follower.isBusy) return false
    const until = this.#resting.get(follower)
    if (until !== undefined && until > now) return false
    this.#resting.delete(follower)
    return true
  }

  async #fetch(asking: readonly Follower[]): Promise<void> {
    const { runtime } = this.#host
    const request = new AbortController()
    this.#request = request
    const byName = new Map(asking.map((follower) => [nameOf(follower), follower]))
    const positions = new Map(asking.map((follower) => [follower, follower.position()]))
    const { results } = await this.#peer.fetch(
      {
        cluster: this.#host.cluster(),
        from: this.#host.self(),
        // Who rests or is busy is asked for again soon.
        wait: asking.length < this.#followers.size ? RETRY : WAIT,
        maxBytes: MAX_BYTES,
        now: Math.floor(runtime.clock.now()),
        partitions: [...positions.values()],
      },
      { signal: request.signal },
    )
    await Promise.all(
      results.map(async (result) => {
        const follower = byName.get(nameOf(result))
        const asked = follower && positions.get(follower)
        // What an earlier leader said counts no more.
        if (!asked || follower.epoch !== asked.epoch || !this.#followers.has(follower)) return
        await this.#take(follower, asked, result)
      }),
    )
  }

  async #take(follower: Follower, asked: FetchPosition, result: FetchResult): Promise<void> {
    if (result.type === 'error') {
      return this.#rest(follower, 2 * RETRY)
    }
    try {
      if (result.type !== 'behind') await this.#takeEntries(follower, asked, result)
      else if (!follower.isBusy && follower.isAt(asked)) void this.#install(follower)
    } catch (error) {
      if (follower.closed) return
      if (!isPortalError(error)) throw error
      if (error.code === 'DISCONNECTED') return this.#rest(follower, RETRY)
      if (error.code !== 'CORRUPT' || follower.contradicted) this.#rest(follower, UNABLE)
      this.#host.stopped(follower, error)
    }
  }

  #rest(follower: Follower, delay: number): void {
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

function nameOf({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string {
  return `${topicId}/${partition}`
}
