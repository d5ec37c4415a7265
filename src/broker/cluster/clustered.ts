import type { LockService } from '../../coordination/lock.js'
import type { Metadata } from '../../coordination/metadata.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type { ClusterDescription, PartitionPlacement } from '../../protocol/cluster.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type {
  ClusterCommand,
  CommandResponse,
  Incarnation,
  PeerService,
} from '../../protocol/peer-service.js'
import type { BrokerService } from '../../protocol/service.js'
import type { CallSignal } from '../../runtime/call-signal.js'
import type { StorageSpace } from '../../storage/storage.js'
import type { Transport } from '../../transport/transport.js'
import type { PartitionHost } from '../host.js'
import type { Hosting } from '../hosting.js'
import type { Replica } from '../replication/replica.js'
import type { Standing } from '../standing.js'
import { Assignments } from './assignments.js'
import { BrokerRoutes } from './broker-routes.js'
import { Catalog } from './catalog.js'
import { ClusterEstate } from './cluster-estate.js'
import { clusterFamilies } from './cluster-metrics.js'
import { ClusterView } from './cluster-view.js'
import { clusteredService, toldService } from './clustered-service.js'
import { commandController } from './command-controller.js'
import { dismissed, handOverAll } from './departure.js'
import { GroupWatches } from './group-watches.js'
import { PeerDirectory } from './peer-directory.js'
import { peerService } from './peers.js'
import { Reports } from './reports.js'
import type { ClusterSession } from './session.js'
import { SessionKeeper, type SessionSources } from './session-keeper.js'
import { watchSilence } from './silence.js'
import { FIRST_WORD, untilTold } from './until-told.js'

export interface ClusteredParts extends SessionSources {
  readonly hosting: Hosting
  readonly host: PartitionHost
  readonly transport: Transport
}

/**
 * A broker in a cluster: it leads and follows what the controller says, for as long as it is told nothing else. Its session with the coordination
 * service may end, and another begin, while data keeps flowing.
 */
export class Clustered implements Standing {
  readonly isAlone = false
  readonly estate: ClusterEstate
  readonly peers: PeerService
  readonly #parts: ClusteredParts
  readonly #catalog = new Catalog()
  readonly #routes: BrokerRoutes
  readonly #ending = new AbortController()
  readonly #reports: Reports
  readonly #groups: GroupWatches
  readonly #view: ClusterView
  readonly #sessions: SessionKeeper
  readonly #directory: PeerDirectory
  readonly #assignments: Assignments
  #everything: BrokerService | undefined
  /** Whether it has been told of all topics since it was started. */
  #isOpen = false

  constructor(parts: ClusteredParts) {
    this.#parts = parts
    const { runtime, hosting, cluster, host } = parts
    const catalog = this.#catalog
    const directory = new PeerDirectory(parts.transport)
    const onError = (error: unknown) => this.#emitError(error)
    const sessions = new SessionKeeper({
      ...parts,
      ending: this.#ending.signal,
      patience: FIRST_WORD,
      connectPeer: (url) => directory.connect(url),
      membersChanged: (brokers) => this.#membersChanged(brokers),
      versionsChanged: (versions) => this.#assignments.agreed(versions),
      reachable: (reachable) => {
        if (reachable) groups.reopen()
        host.emit('coordination', { reachable })
      },
      onError,
    })
    const session = () => sessions.current
    const routes = new BrokerRoutes(catalog, () => directory.members, hosting)
    const reports = new Reports({
      runtime,
      cluster: () => this.clusterId,
      self: () => sessions.incarnation,
      controller: () => this.#controllerPeer(),
      ownController: () => session()?.controller,
      ending: this.#ending.signal,
    })
    const groups = new GroupWatches({
      hosting,
      timers: runtime.timers,
      random: runtime.random,
      session,
      onError,
    })
    const assignments = new Assignments({
      ...parts,
      catalog,
      routes,
      directory,
      sessions,
      groups,
      reports,
    })
    this.#directory = directory
    this.#sessions = sessions
    this.#routes = routes
    this.#reports = reports
    this.#groups = groups
    this.#assignments = assignments
    this.#view = new ClusterView({
      catalog,
      hosting,
      members: () => directory.members,
      registered: () => session()?.registered ?? [],
      replicas: () => assignments.replicas,
    })
    this.estate = new ClusterEstate({
      runtime,
      hosting,
      cluster,
      catalog,
      groups,
      view: () => session()?.view() ?? new Map(),
      service: () => this.#everything!,
      ending: this.#ending.signal,
    })
    this.peers = peerService({
      crc32: runtime.crc32,
      clusterId: () => this.clusterId,
      incarnation: () => sessions.incarnation,
      catalog,
      hosting,
      replicas: () => assignments.replicas,
      controller: () => session()?.controller,
      took: (documents, controller) => assignments.take(documents, controller),
      report: (document) => reports.add(document),
      learn: (document) => assignments.learn(document),
      handOver: (...what) => assignments.handOver(...what),
      topicGone: (topic) => {
        hosting.hide(topic)
        groups.forget(topic)
        routes.changed(topic.id)
      },
      note: (changes) => assignments.note(changes),
      removeTopic: (topicId, error) => assignments.replicas?.removeTopic(topicId, error) ?? Promise.resolve(),
    })
  }

  get #session(): ClusterSession | undefined {
    return this.#sessions.current
  }

  get clusterId(): string {
    return this.#sessions.identity.clusterId
  }

  get metadata(): Metadata {
    return this.#sessions.live.metadata
  }

  get locks(): LockService {
    return this.#sessions.live.locks
  }

  readonly appendElsewhere = async (
    topicId: string,
    partition: number,
    records: Uint8Array,
  ): Promise<void> => {
    const document = this.#catalog.partition(topicId, partition)
    const leader = document?.leader && this.#directory.find(document.leader.broker)
    if (!leader) throw new PortalError('NOT_LEADER', `Nobody leads partition ${topicId}/${partition} now.`)
    const sender = { cluster: this.clusterId, from: this.#sessions.incarnation }
    await leader.append({ ...sender, topicId, partition, records })
  }

  damaged(log: string, error: PortalError): PortalError {
    return this.#assignments.replicas?.damaged(log, error) ?? error
  }

  measured(full: boolean, space: StorageSpace): void {
    const room = this.#assignments.replicas?.room
    room?.measured(space)
    this.#sessions.setDisk({ full, stalled: room?.isStalled ?? false })
  }

  leaderOf(topicId: string, partition: number): string | null | undefined {
    return this.#routes.find(topicId)?.leaders?.[partition]
  }

  route(own: BrokerService): BrokerService {
    const parts = {
      ...this.#parts,
      catalog: this.#catalog,
      routes: this.#routes,
      assignments: this.#assignments,
      sessions: this.#sessions,
      isOpen: () => this.#isOpen,
      ending: this.#ending.signal,
    }
    this.#everything = clusteredService(own, parts)
    return toldService(this.#everything, parts)
  }

  describe(): Partial<ClusterDescription> {
    const controller = this.#reports.controller
    const isAlive = controller !== undefined && this.#directory.members.has(controller.broker)
    return {
      brokers: this.#view.brokers(),
      controller: isAlive ? { id: controller.broker, term: this.#catalog.term } : undefined,
      coordination: { reachable: this.#session?.holds() ?? false },
    }
  }

  describePlacement(topic: string | undefined, ledOnly: boolean): readonly PartitionPlacement[] {
    return this.#view.partitions(topic, ledOnly)
  }

  command(command: ClusterCommand, signal: CallSignal | undefined): Promise<CommandResponse> {
    const { timers, clock } = this.#parts.runtime
    return commandController(command, {
      timers,
      clock,
      signal,
      sender: () => ({ cluster: this.clusterId, from: this.#sessions.incarnation }),
      own: () => this.#sessions.live.controller,
      controller: () => this.#controllerPeer(),
    })
  }

  metrics(): readonly MetricFamily[] {
    const session = this.#session
    return clusterFamilies({
      view: this.#view,
      replicas: this.#assignments.replicas,
      counts: { ...this.#assignments.counts, sessions: this.#sessions.count },
      isController: session?.controller.term !== undefined && !session.isLost,
      term: this.#catalog.term,
      isReachable: session?.holds() ?? false,
    })
  }

  open(): Promise<void> {
    return this.#assignments.open()
  }

  async join(url: string | undefined): Promise<void> {
    const { runtime, hosting } = this.#parts
    await this.#sessions.open(url!)
    this.#watchStorage()
    const untold = {
      runtime,
      hosting,
      catalog: this.#catalog,
      heard: this.#assignments.taken,
      store: () => this.#session?.store,
      ending: this.#ending.signal,
    }
    await untilTold(untold, url!)
    this.#isOpen = true
    hosting.allOpen()
  }

  /** Leaderships go to others first, so that nobody misses this broker. */
  async leave(): Promise<void> {
    const { runtime } = this.#parts
    const departure = {
      runtime,
      self: this.#sessions.incarnation,
      replicas: () => [...(this.#assignments.replicas?.replicas ?? [])],
      members: () => this.#directory.members,
      handOver: (replica: Replica, to: Incarnation) => {
        const { topicId, partition } = replica.document
        return this.#assignments.handOver(topicId, partition, replica.led!.epoch, to)
      },
      holds: () => this.#session?.holds() ?? false,
    }
    await this.#sessions.setLeaving()
    await handOverAll(departure)
    await this.#reports.flushed(2_000)
    await dismissed(departure)
    // Else there would be no end to what is to be written.
    await this.#assignments.replicas?.stopFollowing(new PortalError('CLOSED', 'The broker is closing.'))
  }

  async close(error: PortalError | undefined): Promise<void> {
    const reason = error ?? new PortalError('CLOSED', 'The broker is closed.')
    this.#ending.abort(reason)
    this.#groups.close()
    await this.#sessions.close(error === undefined)
    await this.#assignments.replicas?.stop(reason).catch(() => {})
  }

  /** A disk that is silent for half a session's time: others shall take over before anybody waits for longer. */
  #watchStorage(): void {
    const { host, runtime, coordination } = this.#parts
    const limit = coordination.session.timeout / 2
    if (!Number.isFinite(limit)) return
    watchSilence(
      { runtime, limit, waiting: () => host.committer.waiting, ending: this.#ending.signal },
      (silent) =>
        this.#parts.fail(
          new PortalError(
            'STORAGE_FAILED',
            `The disk has not answered for ${Math.round(silent)} ms, more than half of the session's time: this broker stops, so that others go on.`,
          ),
        ),
    )
  }

  #membersChanged(brokers: readonly string[]): void {
    const session = this.#session
    if (!session || session.isLost) return
    const comings = this.#directory.update(session.members, brokers)
    this.#assignments.replicas?.membersChanged()
    this.#routes.changed(undefined)
    for (const coming of comings)
      if (coming.broker !== this.#sessions.identity.brokerId) this.#parts.host.emit('member', coming)
  }

  #controllerPeer(): PeerService | undefined {
    const { controller } = this.#reports
    return controller && this.#directory.findReplica(controller)
  }

  #emitError(error: unknown): void {
    if (isPortalError(error)) this.#parts.host.emit('error', error as PortalError)
    else throw error
  }
}
