import type { CoordinationStore } from '../../coordination/coordination.js'
import { DocumentFolder, type DocumentFolderParts } from '../../coordination/document-folder.js'
import { type DocumentStore, inParallel, type Versioned } from '../../coordination/document-store.js'
import {
  type BrokerDocument,
  brokerKind,
  type MemberDocument,
  memberKind,
  type PartitionDocument,
  partitionKind,
  paths,
  type Tombstone,
  type TopicDocument,
  tombstoneKind,
  topicKind,
} from '../../coordination/documents.js'
import { Refresher } from '../../coordination/refresher.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type { ClusterMember, MembersView } from '../../core/placement/members-view.js'
import type { Random, Timers } from '../../runtime/runtime.js'

export interface ClusterStateParts {
  readonly store: CoordinationStore
  readonly documents: DocumentStore
  readonly timers: Timers
  readonly random: Random
  /** Brokers came, changed or went. */
  readonly onMembers: (brokers: readonly string[]) => void
  /** Brokers were registered, drained, or forgotten. */
  readonly onBrokers: (brokers: readonly string[]) => void
  /** A topic came or changed. Its partitions follow. */
  readonly onTopic: (topic: Versioned<TopicDocument>) => void
  readonly onTopicGone: (topic: Versioned<TopicDocument>) => void
  /** The partitions of topics that came or changed have been read. */
  readonly onLoaded: () => void
  readonly onPartition: (path: string, partition: Versioned<PartitionDocument>) => void
  /** A move has begun or ended. */
  readonly onMove: () => void
  /** Topic ids. */
  readonly onTombstones: (topicIds: readonly string[]) => void
  readonly onError: (error: unknown) => void
}

/**
 * All documents that the controller decides upon, read once and kept up to date: by watches, except for those of partitions. They are written by
 * the controller itself and by leaders, who report it.
 */
export class ClusterState {
  readonly members: DocumentFolder<MemberDocument>
  readonly brokers: DocumentFolder<BrokerDocument>
  readonly tombstones: DocumentFolder<Tombstone>
  readonly #parts: ClusterStateParts
  readonly #topicFolder: DocumentFolder<TopicDocument>
  readonly #loader: Refresher
  /** By name, as they were announced. */
  readonly #topics = new Map<string, Versioned<TopicDocument>>()
  readonly #topicsById = new Map<string, TopicDocument>()
  readonly #partitions = new Map<string, Versioned<PartitionDocument>>()
  readonly #moving = new Set<string>()
  /** Names of topics that came or changed, and whose partitions are still to be read. */
  readonly #unread = new Set<string>()
  #view: MembersView = new Map()

  constructor(parts: ClusterStateParts) {
    this.#parts = parts
    const folder = <T extends object>(part: Pick<DocumentFolderParts<T>, 'kind' | 'path' | 'onChange'>) =>
      new DocumentFolder<T>({ ...parts, ...part })
    this.members = folder({
      kind: memberKind,
      path: paths.members,
      onChange: (brokers) => this.#changeView(() => parts.onMembers(brokers)),
    })
    this.brokers = folder({
      kind: brokerKind,
      path: paths.brokers,
      onChange: (brokers) => this.#changeView(() => parts.onBrokers(brokers)),
    })
    this.tombstones = folder({ kind: tombstoneKind, path: paths.tombstones, onChange: parts.onTombstones })
    this.#topicFolder = folder({
      kind: topicKind,
      path: paths.topics,
      onChange: (names) => this.#changeTopics(names),
    })
    this.#loader = new Refresher({ ...parts, work: () => this.#loadPartitions() })
  }

  /** Reads who there is and what was deleted. */
  async openBrokers(): Promise<void> {
    await Promise.all([this.members.open(), this.brokers.open(), this.tombstones.open()])
    this.#changeView(() => {})
  }

  /** Reads all topics and partitions; each is announced as soon as it is read. May be called again after it has failed. */
  async openTopics(): Promise<void> {
    if (this.#topics.size === 0) {
      await this.#topicFolder.open()
      this.#noteTopics([...this.#topicFolder.known.keys()])
    }
    await this.#loadPartitions()
  }

  close(): void {
    for (const folder of [this.members, this.brokers, this.tombstones, this.#topicFolder]) folder.close()
    this.#loader.stop()
  }

  /** Who lives, and whether it is drained. */
  get view(): MembersView {
    return this.#view
  }

  get topics(): Iterable<Versioned<TopicDocument>> {
    return this.#topics.values()
  }

  topicOf(topicId: string): TopicDocument | undefined {
    return this.#topicsById.get(topicId)
  }

  /** By path. */
  get partitions(): ReadonlyMap<string, Versioned<PartitionDocument>> {
    return this.#partitions
  }

  /** The paths of partitions with a move under way. */
  get moving(): ReadonlySet<string> {
    return this.#moving
  }

  /** Of two versions the higher one stays. Of a topic that is not known nothing does: it is gone, or is yet to be read with its partitions. */
  adopt(path: string, partition: Versioned<PartitionDocument>): void {
    const known = this.#partitions.get(path)
    if (known && known.version >= partition.version) return
    const { topicId } = partition.document
    if (!this.#topicsById.has(topicId) || this.tombstones.known.has(topicId)) return
    this.#partitions.set(path, partition)
    const moved = this.#moving.has(path) !== (partition.document.target !== undefined)
    if (partition.document.target) this.#moving.add(path)
    else this.#moving.delete(path)
    this.#parts.onPartition(path, partition)
    if (moved) this.#parts.onMove()
  }

  forget(path: string): void {
    this.#partitions.delete(path)
    if (this.#moving.delete(path)) this.#parts.onMove()
  }

  /** Reads a partition's document that may have changed. */
  async reread(path: string): Promise<void> {
    const found = await this.#parts.documents.read(partitionKind, path)
    if (found) this.adopt(path, found)
  }

  #changeView(announce: () => void): void {
    const view = new Map<string, ClusterMember>()
    for (const [broker, { document }] of this.members.known) {
      const { storage, generation, rack, leaving, full } = document
      const drained = this.brokers.known.get(broker)?.document.drained
      view.set(broker, { broker, storage, generation, rack, leaving, full, drained })
    }
    this.#view = view
    announce()
  }

  #changeTopics(names: readonly string[]): void {
    this.#noteTopics(names)
    if (this.#unread.size > 0) this.#loader.request()
  }

  #noteTopics(names: readonly string[]): void {
    for (const name of names) {
      const before = this.#topics.get(name)
      const now = this.#topicFolder.known.get(name)
      if (before && before.document.id !== now?.document.id) this.#dropTopic(name, before)
      if (now === undefined) continue
      this.#topics.set(name, now)
      this.#topicsById.set(now.document.id, now.document)
      this.#unread.add(name)
      this.#parts.onTopic(now)
    }
  }

  #dropTopic(name: string, topic: Versioned<TopicDocument>): void {
    const { id, partitions } = topic.document
    this.#topics.delete(name)
    this.#topicsById.delete(id)
    for (let partition = 0; partition < partitions; partition++) this.forget(paths.partition(id, partition))
    this.#parts.onTopicGone(topic)
  }

  async #loadPartitions(): Promise<void> {
    const round = [...this.#unread].map((name) => ({ name, topic: this.#topics.get(name)?.document }))
    const topics = round.flatMap(({ topic }) => topic ?? [])
    const wanted = topics.flatMap(({ id, name, partitions }) => {
      const all = Array.from({ length: partitions }, (_, partition) => paths.partition(id, partition))
      return all.filter((path) => !this.#partitions.has(path)).map((path) => ({ id, name, path }))
    })
    await inParallel(wanted, (each) => this.#loadPartition(each))
    // Those that changed meanwhile stay for the next round.
    for (const { name, topic } of round) {
      if (this.#topics.get(name)?.document === topic) this.#unread.delete(name)
    }
    this.#parts.onLoaded()
  }

  async #loadPartition({ id, name, path }: { id: string; name: string; path: string }): Promise<void> {
    const { documents, onError } = this.#parts
    try {
      const found = await documents.read(partitionKind, path)
      if (found && this.#topicsById.has(id)) this.adopt(path, found)
      if (found) return
    } catch (error) {
      // One that nobody can read must not keep all others from having a leader.
      if (!isPortalError(error, 'CORRUPT', 'UNSUPPORTED')) throw error
      return onError(error)
    }
    const topic = await documents.read(topicKind, paths.topic(name))
    if (topic?.document.id !== id) return
    onError(
      new PortalError(
        'CORRUPT',
        `The topic ${name} has no document ${path}. It is not made anew, as its data may still be there: restore the coordination service, or delete the topic.`,
      ),
    )
  }
}
