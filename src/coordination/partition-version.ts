import { type DocumentStore, inParallel, type Versioned } from './document-store.js'
import { type PartitionDocument, partitionKind, paths, type TopicDocument } from './documents.js'

/** A partition's document with the version of its node: of two, the one of the higher version is the newer. */
export interface VersionedPartition extends PartitionDocument {
  readonly version: number
}

/** Undefined if there is no document. */
export async function readPartition(
  documents: DocumentStore,
  topicId: string,
  partition: number,
): Promise<VersionedPartition | undefined> {
  const found = await documents.read(partitionKind, paths.partition(topicId, partition))
  return found && joinVersion(found)
}

/** A topic's partitions, in order; undefined for one without a document. */
export function readPartitions(
  documents: DocumentStore,
  topic: TopicDocument,
): Promise<(VersionedPartition | undefined)[]> {
  const numbers = Array.from({ length: topic.partitions }, (_, partition) => partition)
  return inParallel(numbers, (partition) => readPartition(documents, topic.id, partition))
}

export function joinVersion({ document, version }: Versioned<PartitionDocument>): VersionedPartition {
  return { ...document, version }
}

/** The version is the node's: it is not written into the document. */
export function splitVersion({ version, ...document }: VersionedPartition): Versioned<PartitionDocument> {
  return { document, version }
}
