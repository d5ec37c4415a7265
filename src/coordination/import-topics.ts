import { PortalError } from '../core/errors.js'
import type { DocumentStore } from './document-store.js'
import { inParallel } from './document-store.js'
import {
  generationsKind,
  groupKind,
  partitionKind,
  paths,
  type ReplicaName,
  type TopicDocument,
  topicKind,
} from './documents.js'
import type { LoadedTopic } from './load-topics.js'

/** A topic, and the last generation that one of its groups was given. */
export interface ImportedTopic extends LoadedTopic {
  readonly lastGeneration: number
}

export interface ImportRules {
  /** Who has the logs. */
  readonly owner: ReplicaName
  /** Replicas of each partition from now on, and how many of them must have a message. */
  readonly replicas: number
  readonly minInSync: number
}

/**
 * Writes the documents of topics that one broker had for itself, so that the cluster has them: the broker is their only replica, and whoever
 * leads next begins a new epoch. Safe to repeat after a crash or a DISCONNECTED at any point. INVALID_ARGUMENT, before anything is written, if the
 * cluster has a topic of one of the names already.
 *
 * There is no intent as when a topic is made: no controller may take what a crash cut short for abandoned, and let the logs be removed.
 */
export async function importTopics(
  documents: DocumentStore,
  topics: readonly ImportedTopic[],
  rules: ImportRules,
): Promise<void> {
  const found = await inParallel(topics, ({ topic }) => findOther(documents, topic))
  const taken = found.flatMap((name) => name ?? [])
  if (taken.length > 0) throw nameTaken(taken)
  await inParallel(topics, (topic) => importTopic(documents, topic, rules))
}

/** The name comes last: who finds the topic finds all of it. */
async function importTopic(
  documents: DocumentStore,
  { topic, partitions, groups, lastGeneration }: ImportedTopic,
  { owner, replicas, minInSync }: ImportRules,
): Promise<void> {
  const { id, name, config } = topic
  await Promise.all([
    ...partitions.map(({ partition, epoch }) =>
      documents.create(partitionKind, paths.partition(id, partition), {
        topicId: id,
        partition,
        epoch,
        leader: null,
        replicas: [owner],
        inSync: [owner],
      }),
    ),
    ...groups.map((group) => documents.create(groupKind, paths.group(id, group.name), group)),
    documents.create(generationsKind, paths.generations(id), { generation: lastGeneration }),
  ])
  const document = { ...topic, config: { ...config, replicas, minInSync } }
  if (await documents.create(topicKind, paths.topic(name), document)) return
  const other = await findOther(documents, topic)
  if (other !== undefined) throw nameTaken([other])
}

/** The topic's name, if the cluster has another topic of that name. */
async function findOther(documents: DocumentStore, { id, name }: TopicDocument): Promise<string | undefined> {
  const there = await documents.read(topicKind, paths.topic(name))
  return there === undefined || there.document.id === id ? undefined : name
}

function nameTaken(names: readonly string[]): PortalError {
  const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? `, and ${names.length - 5} more` : '')
  return new PortalError(
    'INVALID_ARGUMENT',
    `This broker was alone, and its directory holds topics of its own that the cluster has, too: ${shown}. Two topics do not become one. Start it on an empty directory; to take the messages along, start it alone once more (without --zookeeper) and move them with "portal-mq consume <topic> --url <its URL> | portal-mq produce <topic> --url <the cluster's>".`,
  )
}
