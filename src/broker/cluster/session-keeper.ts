import { isClusterMissing } from '../../coordination/cluster-identity.js'
import type { Versions } from '../../coordination/cluster-versions.js'
import type { CoordinationStore } from '../../coordination/coordination.js'
import { type DiskState, isDiskOf } from '../../coordination/membership.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type { Incarnation, PeerService } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import { type Runtime, randomId } from '../../runtime/runtime.js'
import type { Storage } from '../../storage/storage.js'
import {
  adoptCluster,
  type BrokerIdentity,
  keepLives,
  startAgain,
  stopIdentity,
  triedLives,
} from '../identity.js'
import { bringTopics } from './bring-topics.js'
import type { ClusterOptions } from './cluster-options.js'
import { ClusterSession } from './session.js'

/** What a broker that joins a cluster was opened with, as far as its sessions need it. */
export interface SessionSources {
  /** Who the broker is as it starts. */
  readonly identity: BrokerIdentity
  /** The first session's. */
  readonly coordination: CoordinationStore
  openCoordination(): Promise<CoordinationStore>
  /** What the database holds of the time when the broker was alone. */
  readonly openOwn: (() => Promise<CoordinationStore>) | undefined
  readonly storage: Storage
  readonly runtime: Runtime
  readonly cluster: ClusterOptions
  /** The broker cannot go on: another process has its place, or its database is an old copy. */
  fail(error: PortalError): void
}

export interface SessionKeeperParts extends SessionSources {
  readonly ending: AbortSignal
  /** How long the first session may take (ms). */
  readonly patience: number
  connectPeer(url: string): PeerService
  /** Members that have come, gone or changed. */
  membersChanged(brokers: readonly string[]): void
  /** What the cluster may say and write from now on. */
  versionsChanged(versions: Versions): void
  /** The session was lost, or there is another. */
  reachable(isReachable: boolean): void
  onError(error: unknown): void
}

/** How long to wait before the coordination service is tried again (ms). */
const RETRY = 500
/** The same while it is there and knows of no cluster: a person has to do something. */
const RETRY_MISSING = 5_000

/**
 * A broker's sessions with the coordination service, one after the other for as long as it lives; and who it is in each: every session has a
 * generation of its own, counted in the database before it is registered.
 */
export class SessionKeeper {
  readonly #parts: SessionKeeperParts
  readonly #life: string
  #identity: BrokerIdentity
  /** The last generation that the database counts: those that never got a session are among them. */
  #counted: number
  #session: ClusterSession | undefined
  #count = 0
  #leaving = false
  #disk: DiskState = { full: false, stalled: false }

  constructor(parts: SessionKeeperParts) {
    this.#parts = parts
    this.#identity = parts.identity
    this.#counted = parts.identity.generation
    this.#life = randomId(parts.runtime.random)
  }

  get identity(): BrokerIdentity {
    return this.#identity
  }

  get incarnation(): Incarnation {
    const { brokerId, storageId, generation } = this.#identity
    return { broker: brokerId, storage: storageId, generation }
  }

  /** How many there have been. */
  get count(): number {
    return this.#count
  }

  /** The last one; it may be lost. */
  get current(): ClusterSession | undefined {
    return this.#session
  }

  /** Throws DISCONNECTED while there is none. */
  get live(): ClusterSession {
    const session = this.#session
    if (session && !session.isLost) return session
    throw new PortalError(
      'DISCONNECTED',
      'The coordination service cannot be reached now: messages flow, but nothing can be made, changed or locked until it is back.',
    )
  }

  /** Joins the cluster: resolves with the first session, and begins others when it is lost. */
  async open(url: string): Promise<ClusterSession> {
    const first = await this.#first(url)
    void this.#keep(first, url)
    return first
  }

  /** The broker is on its way out, in this session and in those that may follow. */
  async setLeaving(): Promise<void> {
    this.#leaving = true
    await this.#session?.membership.setLeaving().catch(() => {})
  }

  /** How the broker's disk is now. What could not be said is said the next time. */
  setDisk(disk: DiskState): void {
    this.#disk = disk
    const session = this.#session
    const known = session?.members.get(this.#identity.brokerId)
    if (!session || session.isLost || !known || isDiskOf(known, disk)) return
    session.membership.setDisk(disk).catch((error: unknown) => {
      if (!isPortalError(error)) throw error
    })
  }

  /** `clean`: nothing is written any more. The session ends at once: others may have what this broker had, the sooner the better. */
  async close(clean: boolean): Promise<void> {
    const session = this.#session
    this.#session = undefined
    // First into the database, then into the broker's node: a database behind its node is an old copy.
    const stopped = clean ? await this.#recordStop() : undefined
    if (session) await session.close(stopped)
  }

  async #recordStop(): Promise<{ readonly generation: number; readonly life: string } | undefined> {
    // A life of its own: copies of the database from before it know of this process's.
    const life = `${this.#life}-stopped`
    const lives = triedLives(this.#identity.lives, life)
    try {
      await stopIdentity(this.#parts.storage, { ...this.#identity, lives, generation: this.#counted })
      return { generation: this.#counted + 1, life }
    } catch {
      // The storage has failed: no clean stop.
      return undefined
    }
  }

  /** A process that begins on a busy machine may lose its session before it has joined: then another one. */
  async #first(url: string): Promise<ClusterSession> {
    const { coordination, runtime } = this.#parts
    const end = runtime.clock.monotonic() + this.#parts.patience
    try {
      return await this.#open(coordination, url, this.#identity)
    } catch (error) {
      if (!coordination.session.lost.aborted || isFatal(error)) throw error
      await coordination.close().catch(() => {})
    }
    for (;;) {
      try {
        return await this.#next(url)
      } catch (error) {
        if (isFatal(error) || this.#parts.ending.aborted || runtime.clock.monotonic() >= end) throw error
        await pause(runtime.timers, RETRY)
      }
    }
  }

  /** One session after the other, for as long as the broker lives. */
  async #keep(first: ClusterSession, url: string): Promise<void> {
    const { runtime } = this.#parts
    let session: ClusterSession | undefined = first
    let told = false
    while (!this.#parts.ending.aborted) {
      if (session) {
        await session.lost()
        if (this.#parts.ending.aborted) return
        this.#parts.reachable(false)
        await session.close(undefined).catch(() => {})
      }
      session = undefined
      try {
        session = await this.#next(url)
        this.#parts.reachable(true)
        told = false
      } catch (error) {
        if (this.#parts.ending.aborted) return
        if (isClusterMissing(error)) {
          // Data flows on with what is known; what was lost may be put back.
          if (!told) this.#parts.onError(error)
          told = true
        } else if (isFatal(error)) return this.#parts.fail(error)
        await pause(runtime.timers, told ? RETRY_MISSING : RETRY)
      }
    }
  }

  async #next(url: string): Promise<ClusterSession> {
    const store = await this.#parts.openCoordination()
    try {
      // In force once it is registered: until then followers go on under the life that leaders know.
      const again = await startAgain(this.#parts.storage, { ...this.#identity, generation: this.#counted })
      this.#counted = again.generation
      const session = await this.#open(store, url, again)
      if (this.#leaving) await session.membership.setLeaving()
      return session
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
  }

  async #open(store: CoordinationStore, url: string, identity: BrokerIdentity): Promise<ClusterSession> {
    const { runtime, storage, cluster } = this.#parts
    // First here: whatever is written from now on says so, too. The answer to it may be lost.
    const lives = triedLives(this.#identity.lives, this.#life)
    this.#identity = { ...this.#identity, lives }
    const trying = { ...identity, lives }
    if (lives !== identity.lives) await keepLives(storage, trying)
    const session = await ClusterSession.open({
      store,
      runtime,
      identity: trying,
      life: this.#life,
      url,
      rack: cluster.rack,
      disk: this.#disk,
      versions: cluster.versions,
      settings: cluster.controller,
      signal: this.#parts.ending,
      adopt: async (clusterId) => {
        if (this.#identity.inCluster) return
        await this.#bringTopics(store)
        // The first that is registered: a copy of before that shall know of no later one.
        const first = { ...trying, lives: lives ?? [this.#life] }
        // The database counts what is about to be registered; followers go on under the generation before.
        const { generation } = this.#identity
        this.#identity = { ...(await adoptCluster(storage, first, clusterId)), generation }
      },
      connectPeer: (address) => this.#parts.connectPeer(address),
      onMembers: (brokers) => this.#parts.membersChanged(brokers),
      onVersions: (versions) => this.#parts.versionsChanged(versions),
      onError: (error) => this.#parts.onError(error),
    })
    // Whoever closed the broker meanwhile did not know of it.
    if (this.#parts.ending.aborted) {
      await session.close(undefined)
      throw this.#parts.ending.reason
    }
    this.#identity = { ...this.#identity, generation: identity.generation, lives: [this.#life] }
    if (lives?.length !== 1) await keepLives(storage, this.#identity)
    this.#session = session
    this.#count++
    this.#parts.membersChanged([...session.members.keys()])
    return session
  }

  /** One that was alone before has topics of its own; a new one has nothing. */
  async #bringTopics(into: CoordinationStore): Promise<void> {
    const { storage, runtime, cluster, openOwn } = this.#parts
    if (this.#identity.generation === 1 || !openOwn) return
    const own = await openOwn()
    try {
      await bringTopics({
        identity: this.#identity,
        storage,
        runtime,
        defaults: cluster,
        own,
        cluster: into,
      })
    } finally {
      await own.close()
    }
  }
}

/** What another session would meet, too. */
function isFatal(error: unknown): error is PortalError {
  return isPortalError(
    error,
    'CORRUPT',
    'DIRECTORY_IN_USE',
    'INVALID_ARGUMENT',
    'STORAGE_FAILED',
    'UNSUPPORTED',
  )
}
