import { FIRST_VERSIONS, type Versions } from '../../coordination/cluster-versions.js'
import type { CoordinationStore } from '../../coordination/coordination.js'
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
import { pause } from '../../runtime/pause.js'
import { type Runtime, randomId } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage } from '../../storage/storage.js'
import type { Transport } from '../../transport/transport.js'
import type { PartitionHost } from '../host.js'
import type { Hosting } from '../hosting.js'
import {
  adoptCluster,
  type BrokerIdentity,
  keepLives,
  startAgain,
  stopIdentity,
  triedLives,
} from '../identity.js'
import type { Replica } from '../replication/replica.js'
import { ReplicaSet } from '../replication/replica-set.js'
import type { Standing } from '../standing.js'
import { bringTopics } from './bring-topics.js'
import { BrokerRoutes } from './broker-routes.js'
import { Catalog } from './catalog.js'
import { ClusterEstate } from './cluster-estate.js'
import { type ClusterCounts, clusterFamilies } from './cluster-metrics.js'
import { ClusterView } from './cluster-view.js'
import { commandController } from './command-controller.js'
import type { ControllerSettings } from './controller-settings.js'
import { GroupWatches } from './group-watches.js'
import { onceLed } from './once-led.js'
import { onceOpen } from './once-open.js'
import { peerService } from './peers.js'
import { Reports } from './reports.js'
import { ClusterSession } from './session.js'
import { watchSilence } from './silence.js'

/** A broker's part in a cluster. */
export interface ClusterOptions {
  /** What fails together with it: replicas are spread over racks. */
  readonly rack?: string | undefined
  /** Replicas of topics that do not say how many. */
  readonly replicas: number
  /** How many of them must have a message before it is acknowledged. @default the majority */
  readonly minInSync?: number | undefined
  /** Milliseconds that a replica may be behind before it no longer counts as in sync. */
  readonly replicaLag: number
  readonly controller?: Partial<ControllerSettings> | undefined
  /** What it says that it reads; for tests. @default what this build does */
  readonly versions?: Versions | undefined
}

export interface ClusteredParts {
  readonly identity: BrokerIdentity
  /** The first session. */
  readonly coordination: CoordinationStore
  openCoordination(): Promise<CoordinationStore>
  /** What the database holds of the time when the broker was alone. */
  readonly openOwn: (() => Promise<CoordinationStore>) | undefined
  readonly storage: Storage
  readonly runtime: Runtime
  readonly hosting: Hosting
  readonly host: PartitionHost
  readonly cluster: ClusterOptions
  readonly transport: Transport
  /** It cannot go on: another process has its place, or its database is an old copy. */
  fail(error: PortalError): void
}

/** How long a broker waits for the controller's first word (ms). */
const FIRST_WORD = 60_000
/** How long it waits, when it is started, to be told of all topics before it says of some that there are none (ms). */
const TOLD_OF_TOPICS = 10_000
/** How long it waits before it tries again to reach the coordination service (ms). */
const RETRY = 500
/** How long handing over leaderships may take when it leaves (ms). */
const LEAVE = 15_000
/** How long it then waits until nobody waits for what it follows (ms). */
const DISMISSAL = 2_000

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
  readonly #counts: ClusterCounts = { leaderships: 0, handOvers: 0, sessions: 0 }
  readonly #life: string
  readonly #peersByUrl = new Map<string, PeerService>()
  #identity: BrokerIdentity
  /** The last life that the database counts: those that never got a session are among them. */
  #counted: number
  #replicas: ReplicaSet | undefined
  #session: ClusterSession | undefined
  #everything: BrokerService | undefined
  #heard: () => void = () => {}
  /** What the cluster may say and write, as far as this broker knows. */
  #versions = FIRST_VERSIONS
  #leaving = false
  /** Whether it has been told of all topics since it was started. */
  #isOpen = false

  constructor(parts: ClusteredParts) {
    this.#parts = parts
    this.#identity = parts.identity
    this.#counted = parts.identity.generation
    const { runtime, hosting, cluster } = parts
    this.#life = randomId(runtime.random)
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
      self: () => this.#incarnation(),
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
      incarnation: () => this.#incarnation(),
      catalog: this.#catalog,
      hosting,
      replicas: () => this.#replicas,
      controller: () => this.#session?.controller,
      took: (documents, controller) => this.#took(documents, controller),
      report: (document) => this.#reports.add(document),
      learn: (document) => this.#learn(document),
      handOver: (...what) => this.#handOver(...what),
      removeTopic: (topicId, error) => this.#replicas?.removeTopic(topicId, error) ?? Promise.resolve(),
    })
  }

  get clusterId(): string {
    return this.#identity.clusterId
  }

  get metadata(): Metadata {
    return this.#live().metadata
  }

  get locks(): LockService {
    return this.#live().locks
  }

  readonly appendElsewhere = async (
    topicId: string,
    partition: number,
    records: Uint8Array,
  ): Promise<void> => {
    const document = this.#catalog.partition(topicId, partition)
    const member = document?.leader && this.#members().get(document.leader.broker)
    if (!member) throw new PortalError('NOT_LEADER', `Nobody leads partition ${topicId}/${partition} now.`)
    const sender = { cluster: this.clusterId, from: this.#incarnation() }
    await this.#connectPeer(member.url).append({ ...sender, topicId, partition, records })
  }

  damaged(log: string, error: PortalError): PortalError {
    return this.#replicas?.damaged(log, error) ?? error
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
      self: { id: this.#identity.brokerId, service },
      connectTo: ({ url }) => transport.connectForwarding(url),
      closed: this.#ending.signal,
    })
    return onceOpen(this.#everything, () => this.#isOpen)
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
      sender: () => ({ cluster: this.clusterId, from: this.#incarnation() }),
      own: () => this.#live().controller,
      controller: () => this.#controllerPeer(),
    })
  }

  metrics(): readonly MetricFamily[] {
    const session = this.#session
    return clusterFamilies({
      view: this.#view,
      replicas: this.#replicas,
      counts: this.#counts,
      isController: session?.controller.term !== undefined && !session.isLost,
      term: this.#catalog.term,
      isReachable: session?.holds() ?? false,
    })
  }

  async open(): Promise<void> {
    const { storage, runtime, host, hosting, cluster } = this.#parts
    const self = { broker: this.#identity.brokerId, storage: this.#identity.storageId }
    this.#replicas = await ReplicaSet.open({
      runtime,
      storage,
      self,
      cluster: () => this.clusterId,
      lagTime: cluster.replicaLag,
      partitions: host,
      hosting,
      members: () => this.#members(),
      incarnation: () => this.#incarnation(),
      connectPeer: (url) => this.#connectPeer(url),
      entryVersion: () => Math.min(this.#versions.entry, ENTRY_VERSION),
      sessionHolds: () => this.#session?.holds() ?? false,
      readGroups: (topicId) => this.metadata.listGroups(topicId),
      leads: (topic) => {
        this.#counts.leaderships++
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
    const first = await this.#firstSession(url!)
    void this.#keepSession(first, url!)
    this.#watchStorage()
    const heard = await sleepUntil<true>(runtime.timers, 'joining', { timeout: FIRST_WORD }, (resolve) => {
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
    await this.#untilToldOfTopics(first)
    this.#isOpen = true
    this.#parts.hosting.allOpen()
  }

  /** Until every topic that there is has been shown here, or it takes too long: others have to be asked until then. */
  async #untilToldOfTopics({ store }: ClusterSession): Promise<void> {
    const { runtime, hosting } = this.#parts
    const end = runtime.clock.monotonic() + TOLD_OF_TOPICS
    while (runtime.clock.monotonic() < end && !this.#ending.signal.aborted) {
      // Looked up anew each time: some may be deleted meanwhile.
      const names = await store.children(paths.topics).catch(() => [])
      const areShown = () => names.every((name) => hosting.findByName(name) !== undefined)
      if (areShown()) return
      await hosting.until(areShown, TOLD_OF_TOPICS / 20)
    }
  }

  /** Leaderships go to others first, so that nobody misses this broker. */
  async leave(): Promise<void> {
    const { timers, clock } = this.#parts.runtime
    this.#leaving = true
    await this.#session?.membership.setLeaving().catch(() => {})
    const until = clock.monotonic() + LEAVE
    while (clock.monotonic() < until) {
      const led = [...(this.#replicas?.replicas ?? [])].filter((replica) => replica.led !== undefined)
      const moved = await Promise.all(
        led.map(async (replica) => {
          const { document } = replica
          for (const to of document.inSync) {
            const member = this.#members().get(to.broker)
            if (
              !member ||
              member.leaving ||
              member.storage !== to.storage ||
              to.broker === this.#identity.brokerId
            )
              continue
            try {
              await this.#handOver(document.topicId, document.partition, replica.led!.epoch, {
                ...to,
                generation: member.generation,
              })
              return true
            } catch (error) {
              if (!isPortalError(error)) throw error
            }
          }
          return false
        }),
      )
      if (!moved.includes(true)) break
      await pause(timers, 10)
    }
    await this.#reports.flushed(2_000)
    await this.#dismissed()
    // Else there would be no end to what is to be written.
    await this.#replicas?.stopFollowing(new PortalError('CLOSED', 'The broker is closing.'))
  }

  /** Until the controller has taken this broker out of every in-sync set that can do without: leaders would wait for what it no longer fetches. */
  async #dismissed(): Promise<void> {
    const { timers, clock } = this.#parts.runtime
    const self = { broker: this.#identity.brokerId, storage: this.#identity.storageId }
    const isAwaited = ({ led, topic, document: { inSync } }: Replica) =>
      led === undefined &&
      inSync.some((replica) => isSameReplica(replica, self)) &&
      inSync.length > topic.document.config.minInSync
    const until = clock.monotonic() + DISMISSAL
    while (clock.monotonic() < until && this.#session?.holds()) {
      if (![...(this.#replicas?.replicas ?? [])].some(isAwaited)) return
      await pause(timers, 10)
    }
  }

  async close(error: PortalError | undefined): Promise<void> {
    const reason = error ?? new PortalError('CLOSED', 'The broker is closed.')
    this.#ending.abort(reason)
    this.#groups.close()
    // The session first: others may have what this broker had, the sooner the better.
    const session = this.#session
    this.#session = undefined
    // First into the database, then into the broker's node: a database behind its node is an old copy.
    const stopped = error === undefined ? await this.#recordStop() : undefined
    if (session) await session.close(stopped)
    await this.#replicas?.stop(reason).catch(() => {})
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

  async #handOver(topicId: string, partition: number, epoch: number, to: Incarnation): Promise<void> {
    const replica = this.#replicas?.find(topicId, partition)
    if (!replica) throw new PortalError('NOT_LEADER', `Partition ${topicId}/${partition} is not led here.`)
    const document = await replica.handOver(epoch, to)
    this.#counts.handOvers++
    this.#learn(document)
    this.#reports.add(document)
    // The next leader need not wait for the controller.
    const member = this.#members().get(to.broker)
    if (member) this.#reports.tell(this.#connectPeer(member.url), document)
  }

  /** Whether the newest document says that this broker leads, in the life that it has. */
  #leads(topicId: string, partition: number): boolean {
    const { brokerId, storageId: storage, generation } = this.#identity
    const document = this.#catalog.partition(topicId, partition)
    if (!document || !isSameReplica(document.leader, { broker: brokerId, storage })) return false
    return (document.incarnation ?? generation) === generation
  }

  #announceInSync({ topicId, partition, epoch, leader, inSync }: VersionedPartition): void {
    const topic = this.#catalog.topic(topicId)
    const known = this.#catalog.partition(topicId, partition)
    if (!topic || known?.epoch !== epoch || leader?.broker !== this.#identity.brokerId) return
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

  // Sessions ------------------------------------------------------------------------------------------------------------

  async #openSession(
    store: CoordinationStore,
    url: string,
    identity: BrokerIdentity,
  ): Promise<ClusterSession> {
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
      versions: cluster.versions,
      settings: cluster.controller,
      signal: this.#ending.signal,
      adopt: async (clusterId) => {
        if (this.#identity.inCluster) return
        await this.#bringTopics(store)
        // The first that is registered: a copy of before that shall know of no later one.
        const first = { ...trying, lives: lives ?? [this.#life] }
        // The database counts what is about to be registered; followers go on under the generation before.
        const { generation } = this.#identity
        this.#identity = { ...(await adoptCluster(storage, first, clusterId)), generation }
      },
      connectPeer: (address) => this.#connectPeer(address),
      onMembers: (brokers) => this.#membersChanged(brokers),
      onVersions: (versions) => {
        this.#versions = versions
      },
      onError: (error) => this.#emitError(error),
    })
    // Whoever closed the broker meanwhile did not know of it.
    if (this.#ending.signal.aborted) {
      await session.close(undefined)
      throw this.#ending.signal.reason
    }
    this.#identity = { ...this.#identity, generation: identity.generation, lives: [this.#life] }
    if (lives?.length !== 1) await keepLives(storage, this.#identity)
    this.#session = session
    this.#counts.sessions++
    this.#membersChanged([...session.members.keys()])
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

  /** One session after the other, for as long as the broker lives. */
  async #keepSession(first: ClusterSession, url: string): Promise<void> {
    const { runtime } = this.#parts
    let session: ClusterSession | undefined = first
    while (!this.#ending.signal.aborted) {
      if (session) {
        await session.lost()
        if (this.#ending.signal.aborted) return
        this.#parts.host.emit('coordination', { reachable: false })
        await session.close(undefined).catch(() => {})
      }
      session = undefined
      try {
        session = await this.#nextSession(url)
        this.#groups.reopen()
        this.#parts.host.emit('coordination', { reachable: true })
      } catch (error) {
        if (this.#ending.signal.aborted) return
        if (isFatal(error)) return this.#parts.fail(error)
        await pause(runtime.timers, RETRY)
      }
    }
  }

  /** A process that begins on a busy machine may lose its session before it has joined: then another one. */
  async #firstSession(url: string): Promise<ClusterSession> {
    const { coordination, runtime } = this.#parts
    const end = runtime.clock.monotonic() + FIRST_WORD
    try {
      return await this.#openSession(coordination, url, this.#identity)
    } catch (error) {
      if (!coordination.session.lost.aborted || isFatal(error)) throw error
      await coordination.close().catch(() => {})
    }
    for (;;) {
      try {
        return await this.#nextSession(url)
      } catch (error) {
        if (isFatal(error) || this.#ending.signal.aborted || runtime.clock.monotonic() >= end) throw error
        await pause(runtime.timers, RETRY)
      }
    }
  }

  async #nextSession(url: string): Promise<ClusterSession> {
    const store = await this.#parts.openCoordination()
    try {
      // In force once it is registered: until then followers go on under the life that leaders know.
      const again = await startAgain(this.#parts.storage, { ...this.#identity, generation: this.#counted })
      this.#counted = again.generation
      const session = await this.#openSession(store, url, again)
      if (this.#leaving) await session.membership.setLeaving()
      return session
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
  }

  #live(): ClusterSession {
    const session = this.#session
    if (session && !session.isLost) return session
    throw new PortalError(
      'DISCONNECTED',
      'The coordination service cannot be reached now: messages flow, but nothing can be made, changed or locked until it is back.',
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
        broker !== this.#identity.brokerId &&
        url !== undefined &&
        (member === undefined) !== (before.get(broker) === undefined)
      )
        this.#parts.host.emit('member', { broker, url, alive: member !== undefined })
    }
  }

  #incarnation(): Incarnation {
    const { brokerId, storageId, generation } = this.#identity
    return { broker: brokerId, storage: storageId, generation }
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

/** What another session would meet, too. */
function isFatal(error: unknown): error is PortalError {
  return isPortalError(error, 'CORRUPT', 'DIRECTORY_IN_USE', 'INVALID_ARGUMENT', 'UNSUPPORTED')
}
