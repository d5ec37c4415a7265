import { FIRST_VERSIONS } from '../../coordination/cluster-versions.js'
import { type MemberDocument, paths, type ReplicaName } from '../../coordination/documents.js'
import type { LockService } from '../../coordination/lock.js'
import type { Metadata } from '../../coordination/metadata.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { ENTRY_VERSION } from '../../core/entry.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { ClusterDescription, PartitionPlacement } from '../../protocol/cluster.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type {
  ClusterCommand,
  CommandResponse,
  Incarnation,
  PeerService,
} from '../../protocol/peer-service.js'
import type { BrokerService } from '../../protocol/service.js'
import { clusterService } from '../../routing/cluster-service.js'
import type { CallSignal } from '../../runtime/call-signal.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Transport } from '../../transport/transport.js'
import type { PartitionHost } from '../host.js'
import type { Hosting } from '../hosting.js'
import type { Replica } from '../replication/replica.js'
import { ReplicaSet } from '../replication/replica-set.js'
import type { Standing } from '../standing.js'
import { BrokerRoutes } from './broker-routes.js'
import { Catalog } from './catalog.js'
import { ClusterEstate } from './cluster-estate.js'
import { clusterFamilies } from './cluster-metrics.js'
import { ClusterView } from './cluster-view.js'
import { commandController } from './command-controller.js'
import { dismissed, handOverAll } from './departure.js'
import { GroupWatches } from './group-watches.js'
import { MetadataNotes } from './notes.js'
import { onceLed } from './once-led.js'
import { onceOpen } from './once-open.js'
import { type NamedTopic, onceTold } from './once-told.js'
import { peerService } from './peers.js'
import { Reports } from './reports.js'
import type { ClusterSession } from './session.js'
import { SessionKeeper, type SessionSources } from './session-keeper.js'
import { watchSilence } from './silence.js'

export interface ClusteredParts extends SessionSources {
  readonly hosting: Hosting
  readonly host: PartitionHost
  readonly transport: Transport
}

/** How long a broker waits for the controller's first word (ms). */
const FIRST_WORD = 60_000
/** How long it waits, when it is started, to be told of all topics before it says of some that there are none (ms). */
const TOLD_OF_TOPICS = 10_000

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
  #leaderships = 0
  #handOvers = 0
  readonly #peersByUrl = new Map<string, PeerService>()
  #replicas: ReplicaSet | undefined
  #notes: MetadataNotes | undefined
  #everything: BrokerService | undefined
  #heard: () => void = () => {}
  /** What the cluster may say and write, as far as this broker knows. */
  #versions = FIRST_VERSIONS
  /** Whether it has been told of all topics since it was started. */
  #isOpen = false

  constructor(parts: ClusteredParts) {
    this.#parts = parts
    const { runtime, hosting, cluster } = parts
    this.#sessions = new SessionKeeper({
      ...parts,
      ending: this.#ending.signal,
      patience: FIRST_WORD,
      connectPeer: (url) => this.#connectPeer(url),
      membersChanged: (brokers) => this.#membersChanged(brokers),
      versionsChanged: (versions) => {
        this.#versions = versions
      },
      reachable: (reachable) => {
        if (reachable) this.#groups.reopen()
        parts.host.emit('coordination', { reachable })
      },
      onError: (error) => this.#emitError(error),
    })
    this.#routes = new BrokerRoutes(this.#catalog, () => this.#members(), hosting)
    this.#view = new ClusterView({
      catalog: this.#catalog,
      hosting,
      members: () => this.#members(),
      registered: () => this.#session?.registered ?? [],
      replicas: () => this.#replicas,
    })
    this.#reports = new Reports({
      runtime,
      cluster: () => this.clusterId,
      self: () => this.#sessions.incarnation,
      controller: () => this.#controllerPeer(),
      ownController: () => this.#session?.controller,
      ending: this.#ending.signal,
    })
    this.#groups = new GroupWatches({
      hosting,
      timers: runtime.timers,
      random: runtime.random,
      session: () => this.#session,
      onError: (error) => this.#emitError(error),
    })
    this.estate = new ClusterEstate({
      runtime,
      hosting,
      cluster,
      catalog: this.#catalog,
      groups: this.#groups,
      view: () => this.#session?.view() ?? new Map(),
      service: () => this.#everything!,
      ending: this.#ending.signal,
    })
    this.peers = peerService({
      crc32: runtime.crc32,
      clusterId: () => this.clusterId,
      incarnation: () => this.#sessions.incarnation,
      catalog: this.#catalog,
      hosting,
      replicas: () => this.#replicas,
      controller: () => this.#session?.controller,
      took: (documents, controller) => this.#took(documents, controller),
      report: (document) => this.#reports.add(document),
      learn: (document) => this.#learn(document),
      handOver: (...what) => this.#handOver(...what),
      topicGone: (topic) => {
        hosting.hide(topic)
        this.#groups.forget(topic)
        this.#routes.changed(topic.id)
      },
      note: ({ topics, tombstones }) => {
        this.#notes?.topics(topics.map((topic) => ({ topic, version: this.#catalog.topicVersion(topic) })))
        this.#notes?.deleted(tombstones)
      },
      removeTopic: (topicId, error) => this.#replicas?.removeTopic(topicId, error) ?? Promise.resolve(),
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
    const member = document?.leader && this.#members().get(document.leader.broker)
    if (!member) throw new PortalError('NOT_LEADER', `Nobody leads partition ${topicId}/${partition} now.`)
    const sender = { cluster: this.clusterId, from: this.#sessions.incarnation }
    await this.#connectPeer(member.url).append({ ...sender, topicId, partition, records })
  }

  damaged(log: string, error: PortalError): PortalError {
    return this.#replicas?.damaged(log, error) ?? error
  }

  measured(full: boolean, freeBytes: number): void {
    const room = this.#replicas?.room
    room?.measured(freeBytes)
    this.#sessions.setDisk({ full, stalled: room?.isStalled ?? false })
  }

  leaderOf(topicId: string, partition: number): string | null | undefined {
    return this.#routes.find(topicId)?.leaders?.[partition]
  }

  route(own: BrokerService): BrokerService {
    const { runtime, transport, hosting } = this.#parts
    const service = onceLed(own, {
      isAboutToLead: (topicId, partition) =>
        this.#leads(topicId, partition) && hosting.topicById(topicId)?.partition(partition) === undefined,
      until: (test, timeout, signal) => hosting.until(test, timeout, signal),
    })
    this.#everything = clusterService({
      runtime,
      routes: this.#routes,
      self: { id: this.#sessions.identity.brokerId, service },
      connectTo: ({ url }) => transport.connectForwarding(url),
      closed: this.#ending.signal,
    })
    const told = onceTold(this.#everything, (topic) => this.#isThere(topic))
    return onceOpen(told, () => this.#isOpen)
  }

  describe(): Partial<ClusterDescription> {
    const controller = this.#reports.controller
    const isAlive = controller !== undefined && this.#members().has(controller.broker)
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
      replicas: this.#replicas,
      counts: { leaderships: this.#leaderships, handOvers: this.#handOvers, sessions: this.#sessions.count },
      isController: session?.controller.term !== undefined && !session.isLost,
      term: this.#catalog.term,
      isReachable: session?.holds() ?? false,
    })
  }

  async open(): Promise<void> {
    const { storage, runtime, host, hosting, cluster } = this.#parts
    const notes = await MetadataNotes.open(storage, runtime.crc32)
    this.#notes = notes
    hosting.onGroup = (...group) => notes.group(...group)
    const self = { broker: this.#sessions.identity.brokerId, storage: this.#sessions.identity.storageId }
    this.#replicas = await ReplicaSet.open({
      runtime,
      storage,
      self,
      cluster: () => this.clusterId,
      lagTime: cluster.replicaLag,
      throttledRate: cluster.replicationThrottledRate,
      partitions: host,
      hosting,
      members: () => this.#members(),
      incarnation: () => this.#sessions.incarnation,
      connectPeer: (url) => this.#connectPeer(url),
      entryVersion: () => Math.min(this.#versions.entry, ENTRY_VERSION),
      sessionHolds: () => this.#session?.holds() ?? false,
      readGroups: (...which) => this.metadata.listGroups(...which),
      readDocument: async (topicId, partition) => this.metadata.readPartition(topicId, partition),
      leads: (topic) => {
        this.#leaderships++
        this.#groups.watch(topic)
      },
      changeDocument: async (known, change) => {
        const { metadata } = this
        const changed = await metadata.casPartition(known.topicId, known.partition, change, known)
        return changed ?? metadata.readPartition(known.topicId, known.partition)
      },
      documentChanged: (document) => {
        this.#announceInSync(document)
        this.#learn(document)
        this.#reports.add(document)
      },
    })
  }

  async join(url: string | undefined): Promise<void> {
    const { runtime } = this.#parts
    await this.#sessions.open(url!)
    this.#watchStorage()
    const ends = { timeout: FIRST_WORD, signal: this.#ending.signal }
    const heard = await sleepUntil<true>(runtime.timers, 'joining', ends, (resolve) => {
      this.#heard = () => resolve(true)
      if (this.#catalog.term >= 0) resolve(true)
      return () => {}
    })
    if (!heard) {
      throw new PortalError(
        'TIMEOUT',
        `No controller of the cluster has spoken to this broker within ${FIRST_WORD / 1_000} seconds: can the other brokers reach ${url}, trust its certificate, and have they the same secret? The log of the controller says which.`,
      )
    }
    await this.#untilToldOfTopics()
    this.#isOpen = true
    this.#parts.hosting.allOpen()
  }

  /** Until every topic that there is has been shown here, or it takes too long: others have to be asked until then. */
  async #untilToldOfTopics(): Promise<void> {
    const { runtime, hosting } = this.#parts
    const end = runtime.clock.monotonic() + TOLD_OF_TOPICS
    while (runtime.clock.monotonic() < end && !this.#ending.signal.aborted) {
      // Looked up anew each time: some may be deleted meanwhile. Without an answer it is not known which there are, and another session may say.
      const names = await this.#session?.store.children(paths.topics).catch(() => undefined)
      const areShown = () => names?.every((name) => hosting.findByName(name) !== undefined) ?? false
      if (areShown()) return
      await hosting.until(areShown, TOLD_OF_TOPICS / 20)
    }
  }

  /** Leaderships go to others first, so that nobody misses this broker. */
  async leave(): Promise<void> {
    const { runtime } = this.#parts
    const departure = {
      runtime,
      self: this.#sessions.incarnation,
      replicas: () => [...(this.#replicas?.replicas ?? [])],
      members: () => this.#members(),
      handOver: (replica: Replica, to: Incarnation) => {
        const { topicId, partition } = replica.document
        return this.#handOver(topicId, partition, replica.led!.epoch, to)
      },
      holds: () => this.#session?.holds() ?? false,
    }
    await this.#sessions.setLeaving()
    await handOverAll(departure)
    await this.#reports.flushed(2_000)
    await dismissed(departure)
    // Else there would be no end to what is to be written.
    await this.#replicas?.stopFollowing(new PortalError('CLOSED', 'The broker is closing.'))
  }

  async close(error: PortalError | undefined): Promise<void> {
    const reason = error ?? new PortalError('CLOSED', 'The broker is closed.')
    this.#ending.abort(reason)
    this.#groups.close()
    await this.#sessions.close(error === undefined)
    await this.#replicas?.stop(reason).catch(() => {})
  }

  async #handOver(topicId: string, partition: number, epoch: number, to: Incarnation): Promise<void> {
    const replica = this.#replicas?.find(topicId, partition)
    if (!replica) throw new PortalError('NOT_LEADER', `Partition ${topicId}/${partition} is not led here.`)
    const document = await replica.handOver(epoch, to)
    this.#handOvers++
    this.#learn(document)
    this.#reports.add(document)
    // The next leader need not wait for the controller.
    const member = this.#members().get(to.broker)
    if (member) this.#reports.tell(this.#connectPeer(member.url), document)
  }

  /** Whether the newest document says that this broker leads, in the life that it has. */
  #leads(topicId: string, partition: number): boolean {
    const { brokerId, storageId: storage, generation } = this.#sessions.identity
    const document = this.#catalog.partition(topicId, partition)
    if (!document || !isSameReplica(document.leader, { broker: brokerId, storage })) return false
    return (document.incarnation ?? generation) === generation
  }

  /** Whether there is such a topic, whatever this broker has been told. */
  async #isThere(topic: NamedTopic): Promise<boolean> {
    const { metadata } = this
    if ('topicId' in topic)
      return (
        !this.#catalog.isBuried(topic.topicId) &&
        (await metadata.readPartition(topic.topicId, 0)) !== undefined
      )
    const found = await metadata.readTopic(topic.name)
    return found !== undefined && !this.#catalog.isBuried(found.id)
  }

  #announceInSync({ topicId, partition, epoch, leader, inSync }: VersionedPartition): void {
    const topic = this.#catalog.topic(topicId)
    const known = this.#catalog.partition(topicId, partition)
    if (!topic || known?.epoch !== epoch || leader?.broker !== this.#sessions.identity.brokerId) return
    const brokers = inSync.map(({ broker }) => broker)
    this.#parts.host.emit('isr', { topic: topic.name, partition, inSync: brokers })
  }

  #learn(document: VersionedPartition): void {
    if (this.#catalog.learn(document)) this.#took([document], undefined)
  }

  /** Partition documents came into force. */
  #took(documents: readonly VersionedPartition[], controller: Incarnation | undefined): void {
    if (controller) this.#reports.controllerIs(controller)
    for (const document of documents) {
      const topic = this.#topicOf(document.topicId)
      if (topic) this.#replicas?.assign(topic, document)
      this.#routes.changed(document.topicId)
    }
    this.#heard()
  }

  #topicOf(topicId: string) {
    const document = this.#catalog.topic(topicId)
    return document && this.#parts.hosting.show(document)
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

  /** As it was last known while there is no session: leaders and followers go on. */
  #members(): ReadonlyMap<string, MemberDocument> {
    return this.#lastMembers
  }

  #lastMembers: ReadonlyMap<string, MemberDocument> = new Map()

  #membersChanged(brokers: readonly string[]): void {
    const session = this.#session
    if (!session || session.isLost) return
    const before = this.#lastMembers
    this.#lastMembers = session.members
    this.#replicas?.membersChanged()
    this.#routes.changed(undefined)
    for (const broker of brokers) {
      const member = this.#lastMembers.get(broker)
      const url = (member ?? before.get(broker))?.url
      if (
        broker !== this.#sessions.identity.brokerId &&
        url !== undefined &&
        (member === undefined) !== (before.get(broker) === undefined)
      )
        this.#parts.host.emit('member', { broker, url, alive: member !== undefined })
    }
  }

  #connectPeer(url: string): PeerService {
    let peer = this.#peersByUrl.get(url)
    if (!peer) {
      peer = this.#parts.transport.connectPeer(url)
      this.#peersByUrl.set(url, peer)
    }
    return peer
  }

  #controllerPeer(): PeerService | undefined {
    const controller = this.#reports.controller
    const member = controller && this.#members().get(controller.broker)
    return member && isSameReplica(member, controller as ReplicaName)
      ? this.#connectPeer(member.url)
      : undefined
  }

  #emitError(error: unknown): void {
    if (isPortalError(error)) this.#parts.host.emit('error', error as PortalError)
    else throw error
  }
}
