import { PortalError } from '../core/errors.js'
import { type DocumentStore, inParallel } from './document-store.js'
import { type GroupDocument, groupKind, paths, type TopicDocument, topicKind } from './documents.js'
import { readPartitions, type VersionedPartition } from './partition-version.js'

/** A topic with all that belongs to it. */
export interface LoadedTopic {
  readonly topic: TopicDocument
  /** In their order. */
  readonly partitions: readonly VersionedPartition[]
  /** By name. */
  readonly groups: readonly GroupDocument[]
}

/** Reads what belongs to the topics, side by side; leaves out those that are deleted meanwhile. */
export async function loadTopics(
  documents: DocumentStore,
  topics: readonly TopicDocument[],
): Promise<LoadedTopic[]> {
  const loaded = await inParallel(topics, (topic) => loadTopic(documents, topic))
  return loaded.flatMap((topic) => topic ?? [])
}

async function loadTopic(documents: DocumentStore, topic: TopicDocument): Promise<LoadedTopic | undefined> {
  const [partitions, groups] = await Promise.all([
    readPartitions(documents, topic),
    documents.readAll(groupKind, paths.groups(topic.id)),
  ])
  const missing = partitions.indexOf(undefined)
  if (missing < 0) return { topic, partitions: partitions.flatMap((partition) => partition ?? []), groups }
  const current = await documents.read(topicKind, paths.topic(topic.name))
  if (current?.document.id !== topic.id) return undefined
  throw new PortalError(
    'CORRUPT',
    `The topic ${topic.name} has ${topic.partitions} partitions, but the document of partition ${missing} is missing. It is not made anew, as its data may still be there: restore the broker's directory from a copy, or delete the topic.`,
  )
}
