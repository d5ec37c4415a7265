import { PortalError } from '../core/errors.js'
import type { Random } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import { DocumentStore, inParallel } from './document-store.js'
import {
  type CreationIntent,
  creationKind,
  type GroupDocument,
  generationsKind,
  groupKind,
  type PartitionDocument,
  partitionKind,
  paths,
  type ReplicaName,
  type TopicDocument,
  tombstoneKind,
  topicKind,
} from './documents.js'
import { type LoadedTopic, loadTopics } from './load-topics.js'
import { beginEpoch, checkPartitionChange } from './partition-change.js'
import {
  joinVersion,
  readPartition,
  readPartitions,
  splitVersion,
  type VersionedPartition,
} from './partition-version.js'
import { buryTopic, endCreation, removeGroups, removeTopic } from './topic-removal.js'

export interface MetadataOptions {
  /** Who writes: unlike any other incarnation of any broker. */
  readonly writer: string
  readonly random: Random
}

/**
 * Topics, partitions and groups as documents in a CoordinationStore: the recipes that keep them consistent without
 * transactions over nodes. What they do is safe to repeat after a crash or a DISCONNECTED at any point.
 */
export class Metadata {
  readonly #documents: DocumentStore

  constructor(store: CoordinationStore, options: MetadataOptions) {
    this.#documents = new DocumentStore(store, options)
  }

  // Topics -------------------------------------------------------------------------------------------------------------

  /**
   * Makes a topic and its partitions. Resolves to undefined if the name is taken: another was there first.
   *
   * The name points at the topic only once all its partitions have documents: afterwards a missing one is an error.
   */
  async createTopic(
    topic: TopicDocument,
    partitions: readonly PartitionDocument[],
  ): Promise<TopicDocument | undefined> {
    checkPartitions(topic, 0, partitions)
    const { id: topicId, name, createdAt } = topic
    const intent: CreationIntent = { topicId, name, createdAt, abandoned: false }
    // Called first, so applied first: the partitions of a creation that a crash cut short are found by it.
    const intended = this.#documents.create(creationKind, paths.creation(topicId), intent)
    await Promise.all([intended, this.#createPartitions(partitions)])

    const named = await this.#documents.create(topicKind, paths.topic(name), topic)
    // Of the same id: an earlier call of the same maker, whose answer was lost.
    const made = named || (await this.readTopic(name))?.id === topicId
    if (!made) await this.#documents.removeWithChildren(paths.partitions(topicId))
    const kept = await this.#documents.remove(paths.creation(topicId), INITIAL_VERSION)
    if (made && !kept && (await this.#wasAbandoned(topicId))) {
      // The name may have come after everything else was removed.
      await removeTopic(this.#documents, { topicId, name })
      return undefined
    }
    return made ? topic : undefined
  }

  async readTopic(name: string): Promise<TopicDocument | undefined> {
    return (await this.#documents.read(topicKind, paths.topic(name)))?.document
  }

  /** The same, no older than this call. */
  async readNewestTopic(name: string): Promise<TopicDocument | undefined> {
    await this.#documents.catchUp()
    return this.readTopic(name)
  }

  /** All topics, by name. */
  listTopics(): Promise<TopicDocument[]> {
    return this.#documents.readAll(topicKind, paths.topics)
  }

  /** Every topic with its partitions and groups, by name: what a broker that is alone opens with. */
  async loadAll(): Promise<LoadedTopic[]> {
    return loadTopics(this.#documents, await this.listTopics())
  }

  /**
   * Changes a topic's document; `change` returns undefined to leave it. Resolves to the document now in force, or to
   * undefined if there is no such topic. The count of partitions is raised by `addPartitions` alone.
   */
  async updateTopic(
    name: string,
    change: (topic: TopicDocument) => TopicDocument | undefined,
  ): Promise<TopicDocument | undefined> {
    const keepIdentity = (topic: TopicDocument): TopicDocument | undefined => {
      const { config } = change(topic) ?? {}
      return config && { ...topic, config }
    }
    return (await this.#documents.change(topicKind, paths.topic(name), keepIdentity))?.document
  }

  /**
   * Adds partitions to a topic: `partitions` continue those it has. Resolves to the topic now in force, or to undefined
   * if there is none of that name and id any more. Documents that an addition cut short left behind are used as they are.
   */
  async addPartitions(
    name: string,
    partitions: readonly PartitionDocument[],
  ): Promise<TopicDocument | undefined> {
    const topic = await this.readTopic(name)
    const [first] = partitions
    if (topic === undefined || first === undefined) return topic
    if (topic.id !== first.topicId) return undefined
    const count = first.partition + partitions.length
    checkPartitions({ ...topic, partitions: count }, Math.min(first.partition, topic.partitions), partitions)
    await this.#createPartitions(partitions)
    const result = await this.#documents.change(topicKind, paths.topic(name), (current) =>
      current.id === topic.id && current.partitions < count ? { ...current, partitions: count } : undefined,
    )
    if (result?.document.id === topic.id) return result.document
    await this.#documents.removeWithChildren(paths.partitions(topic.id))
    return undefined
  }

  /**
   * Deletes a topic; resolves to what it was, or to undefined if there was none. `deletedAt`: milliseconds since the
   * Unix epoch. From the tombstone on it is decided: `resumeDeletions` ends what a crash interrupts.
   */
  async deleteTopic(name: string, deletedAt: number): Promise<TopicDocument | undefined> {
    const topic = await this.readTopic(name)
    if (topic === undefined) return undefined
    await buryTopic(this.#documents, { topicId: topic.id, name, deletedAt })
    return topic
  }

  /**
   * Ends the deletions that were begun. Resolves to the ids of all deleted topics: those whose data may be removed.
   * Whoever knows that no replica of one is left anywhere forgets its tombstone.
   */
  async resumeDeletions(): Promise<string[]> {
    const tombstones = await this.#documents.readAll(tombstoneKind, paths.tombstones)
    await inParallel(tombstones, (tombstone) => removeTopic(this.#documents, tombstone))
    return tombstones.map(({ topicId }) => topicId)
  }

  async forgetTombstone(topicId: string): Promise<void> {
    await this.#documents.remove(paths.tombstone(topicId))
  }

  /**
   * Ends creations whose maker did not live to end them; those that got no name are deleted, at `deletedAt`. For who can
   * tell: a broker that is alone, as it opens and before `resumeDeletions`, or later the controller with `isAbandoned`.
   */
  async resumeCreations(
    deletedAt: number,
    isAbandoned: (intent: CreationIntent) => boolean = () => true,
  ): Promise<void> {
    const intents = await this.#documents.readAll(creationKind, paths.creations)
    const abandoned = intents.filter(isAbandoned)
    await inParallel(abandoned, (intent) => endCreation(this.#documents, intent, deletedAt))
  }

  // Partitions ---------------------------------------------------------------------------------------------------------

  readPartition(topicId: string, partition: number): Promise<VersionedPartition | undefined> {
    return readPartition(this.#documents, topicId, partition)
  }

  /** Those of a topic, in order. TOPIC_NOT_FOUND if one is missing. */
  async readPartitions(topic: TopicDocument): Promise<VersionedPartition[]> {
    const partitions = await readPartitions(this.#documents, topic)
    return partitions.map((found, partition) => found ?? throwMissing(topic.id, partition))
  }

  /**
   * Changes a partition's document. Resolves to undefined if `change` returned undefined; TOPIC_NOT_FOUND if there is none.
   * `known`: the document as it was read before, tried first without reading again.
   *
   * A change of the leader raises the epoch by one, whatever `change` says of it; so does `change` itself for a new
   * incarnation of the same leader. Nothing else changes an epoch (invariant 1).
   */
  async casPartition(
    topicId: string,
    partition: number,
    change: (document: PartitionDocument, version: number) => PartitionDocument | undefined,
    known?: VersionedPartition,
  ): Promise<VersionedPartition | undefined> {
    const path = paths.partition(topicId, partition)
    const checked = (document: PartitionDocument, version: number) =>
      checkPartitionChange(document, change(document, version))
    const result = await this.#documents.change(partitionKind, path, checked, known && splitVersion(known))
    if (result === undefined) return throwMissing(topicId, partition)
    return result.changed ? joinVersion(result) : undefined
  }

  /**
   * Makes `leader` the leader of partitions that were read before, each in a new epoch: no incarnation resumes an epoch.
   * Resolves to their documents, in order. Rejects with CORRUPT if it is not in sync in one: it must not lead (invariant 4).
   */
  takeLeadership(
    partitions: readonly VersionedPartition[],
    leader: ReplicaName,
  ): Promise<VersionedPartition[]> {
    // All at once, without reading first: a store that group-commits saves them as one.
    return inParallel(partitions, async (known) => {
      const { topicId, partition } = known
      const led = await this.casPartition(
        topicId,
        partition,
        (document) => beginEpoch(document, leader),
        known,
      )
      return led ?? throwMissing(topicId, partition)
    })
  }

  // Groups -------------------------------------------------------------------------------------------------------------

  /** A generation for a group of the topic: higher than all before, those of deleted groups included. */
  async nextGroupGeneration(topicId: string): Promise<number> {
    const path = paths.generations(topicId)
    if (await this.#documents.create(generationsKind, path, { generation: 1 })) return 1
    const result = await this.#documents.change(generationsKind, path, (counter) => ({
      generation: counter.generation + 1,
    }))
    return result?.document.generation ?? throwDeleted(topicId)
  }

  /** Makes a group. Resolves to undefined if there is one of that name; TOPIC_NOT_FOUND if the topic is deleted. */
  async createGroup(group: GroupDocument): Promise<GroupDocument | undefined> {
    const made = await this.#documents.create(groupKind, paths.group(group.topicId, group.name), group)
    // A deletion that began before this check may have listed the groups already; a later one will find this group.
    if (await this.#documents.exists(paths.tombstone(group.topicId))) {
      await removeGroups(this.#documents, group.topicId)
      throwDeleted(group.topicId)
    }
    return made ? group : undefined
  }

  async readGroup(topicId: string, name: string): Promise<GroupDocument | undefined> {
    return (await this.#documents.read(groupKind, paths.group(topicId, name)))?.document
  }

  /** The same, no older than this call. */
  async readNewestGroup(topicId: string, name: string): Promise<GroupDocument | undefined> {
    await this.#documents.catchUp()
    return this.readGroup(topicId, name)
  }

  /** Those of a topic, by name; of `known` none is missing that was there when this was called: whoever would end one must be certain. */
  async listGroups(topicId: string, known: Iterable<string> = []): Promise<GroupDocument[]> {
    const listed = await this.#documents.readAll(groupKind, paths.groups(topicId))
    const names = new Set(listed.map(({ name }) => name))
    const missing = [...known].filter((name) => !names.has(name))
    if (missing.length === 0) return listed
    await this.#documents.catchUp()
    const found = await inParallel(missing, (name) => this.readGroup(topicId, name))
    return [...listed, ...found.flatMap((group) => group ?? [])]
  }

  /**
   * Changes a group's document; `change` returns undefined to leave it. Resolves to the document now in force, or to
   * undefined if there is no such group.
   */
  async updateGroup(
    topicId: string,
    name: string,
    change: (group: GroupDocument) => GroupDocument | undefined,
  ): Promise<GroupDocument | undefined> {
    return (await this.#documents.change(groupKind, paths.group(topicId, name), change))?.document
  }

  /** Resolves to whether there was one. */
  deleteGroup(topicId: string, name: string): Promise<boolean> {
    return this.#documents.remove(paths.group(topicId, name))
  }

  /** Whether another took this creation for abandoned: the intent goes last of all that is then removed. */
  async #wasAbandoned(topicId: string): Promise<boolean> {
    if (await this.#documents.exists(paths.creation(topicId))) return true
    return !(await this.#documents.exists(paths.partition(topicId, 0)))
  }

  /** One that is there already was left by an earlier call that was cut short: as good as a new one. */
  async #createPartitions(partitions: readonly PartitionDocument[]): Promise<void> {
    await inParallel(partitions, (document) => {
      return this.#documents.create(
        partitionKind,
        paths.partition(document.topicId, document.partition),
        document,
      )
    })
  }
}

const INITIAL_VERSION = 0

function checkPartitions(topic: TopicDocument, from: number, partitions: readonly PartitionDocument[]): void {
  const complete = partitions.length === topic.partitions - from
  if (complete && partitions.every((it, at) => it.topicId === topic.id && it.partition === from + at)) return
  throw new PortalError(
    'INVALID_ARGUMENT',
    `The topic ${topic.name} needs documents for its partitions ${from} to ${topic.partitions - 1}, in order.`,
  )
}

function throwMissing(topicId: string, partition: number): never {
  throw new PortalError(
    'TOPIC_NOT_FOUND',
    `There is no partition ${partition} of the topic with the id ${topicId}.`,
  )
}

function throwDeleted(topicId: string): never {
  throw new PortalError('TOPIC_NOT_FOUND', `The topic with the id ${topicId} was deleted.`)
}
