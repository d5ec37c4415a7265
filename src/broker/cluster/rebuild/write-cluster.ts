import type { CoordinationStore } from '../../../coordination/coordination.js'
import type { DocumentKind } from '../../../coordination/document-codec.js'
import { DocumentStore, inParallel } from '../../../coordination/document-store.js'
import {
  brokerKind,
  clusterKind,
  generationsKind,
  groupKind,
  partitionKind,
  paths,
  topicKind,
} from '../../../coordination/documents.js'
import { FencingTokens } from '../../../coordination/fencing-tokens.js'
import { PortalError } from '../../../core/errors.js'
import type { Random } from '../../../runtime/runtime.js'
import type { RebuiltCluster, RebuiltTopic } from './merge-exports.js'

export interface WriteClusterParts {
  readonly store: CoordinationStore
  readonly random: Random
  /** Milliseconds since the Unix epoch. */
  readonly now: number
}

/**
 * Writes the documents of a cluster into a coordination store that has none; the document that says that there is one comes last: no broker joins before, and
 * after a crash it is done again. INVALID_ARGUMENT if there is a cluster.
 */
export async function writeCluster(
  cluster: RebuiltCluster,
  { store, random, now }: WriteClusterParts,
): Promise<void> {
  const documents = new DocumentStore(store, { writer: 'rebuild', random })
  const there = await documents.read(clusterKind, paths.cluster)
  if (there) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `The coordination service holds a cluster at this path, ${there.document.clusterId}: a cluster is rebuilt where there is none. Give another path, or remove what is there first.`,
    )
  }
  await inParallel(cluster.topics, (topic) => writeTopic(documents, topic))
  await inParallel(cluster.brokers, ({ brokerId, storageId, generation }) =>
    put(documents, brokerKind, paths.broker(brokerId), { broker: brokerId, storage: storageId, generation }),
  )
  // Nobody knows which were given: milliseconds are more than there ever were.
  await new FencingTokens(store).raise(Math.floor(now))
  const made = await documents.create(clusterKind, paths.cluster, {
    clusterId: cluster.clusterId,
    createdAt: Math.floor(now),
  })
  if (!made) throw new PortalError('INVALID_ARGUMENT', 'Another cluster was made at this path meanwhile.')
}

async function writeTopic(
  documents: DocumentStore,
  { topic, partitions, groups, lastGeneration }: RebuiltTopic,
): Promise<void> {
  await inParallel(partitions, (partition) =>
    put(documents, partitionKind, paths.partition(topic.id, partition.partition), partition),
  )
  await inParallel(groups, (group) => put(documents, groupKind, paths.group(topic.id, group.name), group))
  await put(documents, generationsKind, paths.generations(topic.id), { generation: lastGeneration })
  await put(documents, topicKind, paths.topic(topic.name), topic)
}

/** Whatever an attempt before has left there. */
async function put<T extends object>(
  documents: DocumentStore,
  kind: DocumentKind<T>,
  path: string,
  document: T,
): Promise<void> {
  if (await documents.create(kind, path, document)) return
  await documents.change(kind, path, () => document)
}
