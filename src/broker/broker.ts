import { EventEmitter } from 'eventemitter3'
import type { CoordinationStore } from '../coordination/coordination.js'
import { isPortalError, type PortalError } from '../core/errors.js'
import {
  type ClientSide,
  CONNECTION,
  type Connection,
  type Logger,
  SERVICE,
  type Servable,
} from '../protocol/connection.js'
import type { BrokerService } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { SafeClock } from '../runtime/safe-clock.js'
import type { Storage } from '../storage/storage.js'
import type { Listener, Transport } from '../transport/transport.js'
import { Alone } from './alone.js'
import { BatchCache } from './batch-cache.js'
import type { ClusterOptions } from './cluster/cluster-options.js'
import { Clustered } from './cluster/clustered.js'
import { Committer } from './committer.js'
import type { BrokerEvents, BrokerListeners } from './events.js'
import { GroupAdmin } from './group-admin.js'
import type { PartitionHost } from './host.js'
import { Hosting } from './hosting.js'
import { type BrokerIdentity, checkAlone, startIdentity } from './identity.js'
import { Maintenance } from './maintenance.js'
import { CommitStatistics } from './metrics/commit-statistics.js'
import { brokerClosed, guarded, ownService, type ServiceHost } from './service.js'
import type { Standing } from './standing.js'
import { type AdminHost, TopicAdmin } from './topic-admin.js'
import { Turns } from './turns.js'

/** What a broker is made of; create-broker.ts chooses. */
export interface BrokerParts {
  readonly storage: Storage
  /** What a new database calls its broker. @default a random name */
  readonly id?: string | undefined
  /** Opens a session. In a cluster again and again, as sessions end. */
  readonly openCoordination: (storage: Storage) => Promise<CoordinationStore>
  /** What a broker that is alone keeps in its storage: one that joins a cluster brings it along. @default nothing */
  readonly openOwnCoordination?: ((storage: Storage) => Promise<CoordinationStore>) | undefined
  /** Its part in a cluster; undefined: it is alone. Then `remote` is needed. */
  readonly cluster?: ClusterOptions | undefined
  /** For callers in this process. */
  readonly local: Transport
  /** For callers elsewhere: their answers can be lost on the way, and their leases outlive this process. */
  readonly remote?: Transport | undefined
  readonly runtime: Runtime
  readonly logger: Logger
  readonly autoCreateTopics: boolean
  /** Bytes of record batches kept in memory. */
  readonly cacheBytes: number
}

/**
 * A broker: hosts partitions and serves clients. Made by `createBroker`; hand it to Producer, Consumer, Reader, Admin and Lock.
 *
 * @example
 * broker.on('error', (error) => report(error))
 */
export class Broker extends EventEmitter<BrokerListeners> implements Connection, Servable {
  readonly #parts: BrokerParts
  readonly #identity: BrokerIdentity
  readonly #standing: Standing
  readonly #committer: Committer
  readonly #hosting: Hosting
  readonly #maintenance: Maintenance
  readonly #closed = new AbortController()
  #listener: Listener | undefined
  #remoteListener: Listener | undefined
  #ended: PortalError | undefined
  /** The storage's. */
  #failure: PortalError | undefined
  #closing: Promise<void> | undefined
  #clientSide: ClientSide | undefined
  #remoteService: BrokerService | undefined
  #routed: BrokerService | undefined

  /** Opens it: recovers every partition and takes the lead. Use `createBroker`. */
  static async open(parts: BrokerParts): Promise<Broker> {
    const identity = await startIdentity(parts.storage, parts.runtime.random, parts.id)
    if (!parts.cluster) checkAlone(identity)
    const coordination = await parts.openCoordination(parts.storage)
    const broker = new Broker(parts, identity, coordination)
    try {
      await broker.#start()
    } catch (error) {
      await coordination.close().catch(() => {})
      throw error
    }
    return broker
  }

  private constructor(parts: BrokerParts, identity: BrokerIdentity, coordination: CoordinationStore) {
    super()
    this.#parts = parts
    this.#identity = identity
    const { storage, runtime } = parts
    const safeClock = new SafeClock(runtime.clock)
    const commits = new CommitStatistics(identity.brokerId, runtime.clock)
    this.#committer = new Committer(storage, runtime.timers, (error) => this.#fail(error), commits)
    const host: PartitionHost = {
      brokerId: identity.brokerId,
      runtime,
      safeClock,
      storage,
      committer: this.#committer,
      cache: new BatchCache(parts.cacheBytes),
      refusal: () => this.#maintenance.refusal(),
      damaged: (log, error) => this.#standing.damaged(log, error),
      // What still fails after the end fails because of it.
      emit: (event, payload) => {
        if (event !== 'error' || !this.#ended) this.#announce(event, payload)
      },
    }
    this.#hosting = new Hosting(
      host,
      identity,
      (name, of) => this.#service.topics.ensureTopic(name, of),
      (...batch) => this.#standing.appendElsewhere(...batch),
      () => this.#standing.isAlone,
    )
    this.#maintenance = new Maintenance(
      storage,
      this.#hosting,
      runtime,
      safeClock,
      (error) => host.emit('error', error),
      (full, space) => this.#standing.measured(full, space),
    )
    const { cluster, remote, openCoordination, openOwnCoordination } = parts
    const standing = { identity, coordination, storage, runtime, hosting: this.#hosting }
    this.#standing =
      cluster && remote
        ? new Clustered({
            ...standing,
            host,
            cluster,
            transport: remote,
            openCoordination: () => openCoordination(storage),
            openOwn: openOwnCoordination && (() => openOwnCoordination(storage)),
            fail: (error) => this.#fail(error),
          })
        : new Alone(standing)
    const { estate } = this.#standing
    const metadata = () => this.#standing.metadata
    const locks = () => this.#standing.locks
    const shared = {
      brokerId: identity.brokerId,
      url: () => this.url,
      runtime,
      estate,
      hosting: this.#hosting,
      autoCreateTopics: parts.autoCreateTopics,
    }
    const adminHost: AdminHost = {
      ...shared,
      get metadata() {
        return metadata()
      },
    }
    const turns = new Turns()
    const topics = new TopicAdmin(adminHost, turns)
    const clusterId = () => this.#standing.clusterId
    this.#service = {
      ...shared,
      get metadata() {
        return metadata()
      },
      get locks() {
        return locks()
      },
      get clusterId() {
        return clusterId()
      },
      standing: () => this.#standing,
      storage,
      commits,
      refusal: () => this.#maintenance.refusal(),
      topics,
      groups: new GroupAdmin(adminHost, topics, turns),
      ended: () => this.#ended,
    }
  }

  readonly #service: ServiceHost

  /** Born with its database, the same for its life. */
  get id(): string {
    return this.#identity.brokerId
  }

  /** Where others reach it; undefined while it is reached from its own process only. */
  get url(): string | undefined {
    return this.#remoteListener?.address
  }

  /** For callers in other processes: whoever serves it (`createHandler`) asks for it here. */
  get [SERVICE](): BrokerService {
    this.#remoteService ??= guarded(this.#everything, this.#service, false)
    return this.#remoteService
  }

  get [CONNECTION](): ClientSide {
    if (!this.#clientSide) throw brokerClosed()
    return this.#clientSide
  }

  /**
   * Finishes what was accepted, then stops: waiting calls reject with CLOSED, everything acknowledged is on the disk, and nothing keeps
   * the process alive. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #start(): Promise<void> {
    const { storage, runtime, local, remote, logger } = this.#parts
    storage.onFailure((error) => this.#fail(error))
    await this.#standing.open()
    await this.#maintenance.start()
    if (this.#ended) throw this.#ended
    const standing = this.#standing
    const { isAlone } = standing
    const own = isAlone ? ownService(this.#service, true) : this.#everything
    this.#listener = await local.listen(guarded(own, this.#service, true))
    await this.#reach(remote)
    this.#clientSide = {
      service: local.connect(this.#listener.address),
      leaderOf: isAlone ? undefined : (...partition) => standing.leaderOf!(...partition),
      runtime,
      logger,
      closed: this.#closed.signal,
    }
    this.#announce('ready', {})
  }

  /** For callers elsewhere, before they are asked who they are. */
  get #everything(): BrokerService {
    this.#routed ??= this.#standing.route(ownService(this.#service, false))
    return this.#routed
  }

  /** Where nobody can be listened to, or no place be taken, nothing may go on behind the error. */
  async #reach(remote: Transport | undefined): Promise<void> {
    try {
      this.#remoteListener = await remote?.listen(this[SERVICE], this.#standing.peers)
      await this.#standing.join(this.url)
      if (this.#failure) throw this.#failure
    } catch (error) {
      // What the storage's failure has ended fails because of it.
      const reason = this.#failure ?? error
      await this.close()
      throw reason
    }
  }

  async #shutDown(): Promise<void> {
    if (this.#ended) return
    if (!this.#standing.isAlone) await this.#standing.leave().catch(() => {})
    if (this.#ended) return
    this.#ended = brokerClosed()
    this.#closed.abort(this.#ended)
    try {
      await this.#finish(this.#ended)
    } catch (error) {
      if (!isPortalError(error)) throw error
      this.#fail(error)
    }
    if (this.#failure) await this.#abandon(this.#failure)
    else this.#announce('close', { error: undefined })
  }

  /** Rejects when the storage fails meanwhile. */
  async #finish(ended: PortalError): Promise<void> {
    await this.#maintenance.stop()
    for (const topic of this.#hosting.topics) {
      for (const dispatcher of topic.dispatchers.values()) dispatcher.failAll(ended)
    }
    await this.#committer.drained()
    if (this.#failure) throw this.#failure
    for (const topic of this.#hosting.topics)
      for (const partition of topic.partitions) partition.requestSnapshot()
    await this.#committer.drained()
    this.#hosting.closeAll(ended)
    if (this.#standing.isAlone) await this.#standing.locks.close()
    await this.#listener?.close()
    await this.#remoteListener?.close()
    try {
      await this.#standing.close(undefined)
    } finally {
      await this.#parts.storage.close()
    }
  }

  /** The storage has failed: nothing more is acknowledged (invariant 13). */
  #fail(error: PortalError): void {
    if (this.#failure) return
    this.#failure = error
    const closing = this.#ended !== undefined
    this.#ended ??= error
    // Even while it closes: else it would wait for commits that never come.
    this.#committer.fail(error)
    this.#hosting.closeAll(error)
    this.#closed.abort(error)
    this.#announce('error', error)
    // Who closes it already abandons it, too.
    if (!closing) this.#closing = this.#abandon(error)
  }

  async #abandon(error: PortalError): Promise<void> {
    await this.#maintenance.stop()
    await this.#listener?.close()
    await this.#remoteListener?.close()
    await this.#standing.close(error).catch(() => {})
    await this.#parts.storage.close().catch(() => {})
    this.#announce('close', { error })
  }

  #announce<E extends keyof BrokerEvents>(event: E, payload: BrokerEvents[E]): void {
    const emit = this.emit.bind(this) as (event: string, payload: unknown) => boolean
    if (emit(event, payload) || event !== 'error') return
    const error = payload as PortalError
    this.#parts.logger.error({ code: error.code, err: error }, error.message)
  }
}
