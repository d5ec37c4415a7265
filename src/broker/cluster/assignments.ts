import { FIRST_VERSIONS, type Versions } from '../../coordination/cluster-versions.js'
import type { Metadata } from '../../coordination/metadata.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { ENTRY_VERSION } from '../../core/entry.js'
import { PortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Storage } from '../../storage/storage.js'
import { Bell } from '../bell.js'
import type { PartitionHost } from '../host.js'
import type { Hosting } from '../hosting.js'
import { ReplicaSet } from '../replication/replica-set.js'
import type { Topic } from '../topic.js'
import type { BrokerRoutes } from './broker-routes.js'
import type { Catalog, CatalogChanges } from './catalog.js'
import type { ClusterOptions } from './cluster-options.js'
import type { GroupWatches } from './group-watches.js'
import { MetadataNotes } from './notes.js'
import type { PeerDirectory } from './peer-directory.js'
import type { Reports } from './reports.js'
import type { SessionKeeper } from './session-keeper.js'

export interface AssignmentsParts {
  readonly runtime: Runtime
  readonly storage: Storage
  readonly host: PartitionHost
  readonly hosting: Hosting
  readonly cluster: ClusterOptions
  readonly catalog: Catalog
  readonly routes: BrokerRoutes
  readonly directory: PeerDirectory
  readonly sessions: SessionKeeper
  readonly groups: GroupWatches
  readonly reports: Reports
}

/** Partition documents on their way into force: this broker's replicas become what they say, and what its leaders write into them is told. */
export class Assignments {
  /** Rings whenever documents came into force. */
  readonly taken = new Bell()
  readonly #parts: AssignmentsParts
  #replicas: ReplicaSet | undefined
  #notes: MetadataNotes | undefined
  /** What the cluster may say and write, as far as this broker knows. */
  #versions = FIRST_VERSIONS
  #leaderships = 0
  #handOvers = 0

  constructor(parts: AssignmentsParts) {
    this.#parts = parts
  }

  /** Undefined before `open`. */
  get replicas(): ReplicaSet | undefined {
    return this.#replicas
  }

  /** How many partitions this broker came to lead, and handed over, since it was started. */
  get counts(): { readonly leaderships: number; readonly handOvers: number } {
    return { leaderships: this.#leaderships, handOvers: this.#handOvers }
  }

  agreed(versions: Versions): void {
    this.#versions = versions
  }

  async open(): Promise<void> {
    const { runtime, storage, host, hosting, cluster, directory, sessions } = this.#parts
    const notes = await MetadataNotes.open(storage, runtime.crc32)
    this.#notes = notes
    hosting.onGroup = (...group) => notes.group(...group)
    const { brokerId, storageId } = sessions.identity
    this.#replicas = await ReplicaSet.open({
      runtime,
      storage,
      self: { broker: brokerId, storage: storageId },
      cluster: () => sessions.identity.clusterId,
      lagTime: cluster.replicaLag,
      throttledRate: cluster.replicationThrottledRate,
      partitions: host,
      hosting,
      members: () => directory.members,
      incarnation: () => sessions.incarnation,
      connectPeer: (url) => directory.connect(url),
      entryVersion: () => Math.min(this.#versions.entry, ENTRY_VERSION),
      sessionHolds: () => sessions.current?.holds() ?? false,
      readGroups: (...which) => this.#metadata.listGroups(...which),
      readDocument: async (topicId, partition) => this.#metadata.readPartition(topicId, partition),
      leads: (topic) => {
        this.#leaderships++
        this.#parts.groups.watch(topic)
      },
      changeDocument: async (known, change) => {
        const metadata = this.#metadata
        const changed = await metadata.casPartition(known.topicId, known.partition, change, known)
        return changed ?? metadata.readPartition(known.topicId, known.partition)
      },
      documentChanged: (document) => {
        this.#announceInSync(document)
        this.#written(document)
      },
    })
  }

  /** Partition documents came into force. */
  take(documents: readonly VersionedPartition[], controller: Incarnation | undefined): void {
    const { reports, routes } = this.#parts
    if (controller) reports.controllerIs(controller)
    for (const document of documents) {
      const topic = this.#topicOf(document.topicId)
      if (topic) this.#replicas?.assign(topic, document)
      routes.changed(document.topicId)
    }
    this.taken.ring()
  }

  /** Notes what a controller has told of topics, before it is in force here. */
  note({ topics, tombstones }: CatalogChanges): void {
    const { catalog } = this.#parts
    this.#notes?.topics(topics.map((topic) => ({ topic, version: catalog.topicVersion(topic) })))
    this.#notes?.deleted(tombstones)
  }

  /** A broker has written it, or it was read. */
  learn(document: VersionedPartition): void {
    if (this.#parts.catalog.learn(document)) this.take([document], undefined)
  }

  /** Gives a partition that is led here in this epoch to another replica. */
  async handOver(topicId: string, partition: number, epoch: number, to: Incarnation): Promise<void> {
    const replica = this.#replicas?.find(topicId, partition)
    if (!replica) throw new PortalError('NOT_LEADER', `Partition ${topicId}/${partition} is not led here.`)
    const document = await replica.handOver(epoch, to)
    this.#handOvers++
    this.#written(document)
    // The next leader need not wait for the controller.
    const next = this.#parts.directory.find(to.broker)
    if (next) this.#parts.reports.tell(next, document)
  }

  /** Whether the newest document says that this broker leads, in the life that it has. */
  isLeader(topicId: string, partition: number): boolean {
    const { brokerId, storageId: storage, generation } = this.#parts.sessions.identity
    const document = this.#parts.catalog.partition(topicId, partition)
    if (!document || !isSameReplica(document.leader, { broker: brokerId, storage })) return false
    return (document.incarnation ?? generation) === generation
  }

  get #metadata(): Metadata {
    return this.#parts.sessions.live.metadata
  }

  /** This broker wrote it. */
  #written(document: VersionedPartition): void {
    this.learn(document)
    this.#parts.reports.add(document)
  }

  #announceInSync({ topicId, partition, epoch, leader, inSync }: VersionedPartition): void {
    const { catalog, sessions, host } = this.#parts
    const topic = catalog.topic(topicId)
    const known = catalog.partition(topicId, partition)
    if (!topic || known?.epoch !== epoch || leader?.broker !== sessions.identity.brokerId) return
    const brokers = inSync.map(({ broker }) => broker)
    host.emit('isr', { topic: topic.name, partition, inSync: brokers })
  }

  #topicOf(topicId: string): Topic | undefined {
    const document = this.#parts.catalog.topic(topicId)
    return document && this.#parts.hosting.show(document)
  }
}
