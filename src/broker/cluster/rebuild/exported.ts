import type { GroupDocument, TopicDocument } from '../../../coordination/documents.js'

/** What one broker's directory knows of its cluster: a cluster is rebuilt from those of all its brokers. Plain JSON, with more in it than is named here. */
export interface BrokerExport {
  readonly format: 'portal-mq broker export'
  readonly version: 1
  readonly clusterId: string
  readonly brokerId: string
  readonly storageId: string
  /** How often the broker has been started and stopped. */
  readonly generation: number
}

/** All that is in one. */
export interface ExportedBroker extends BrokerExport {
  readonly topics: readonly ExportedTopic[]
  /** Ids of topics that were deleted. */
  readonly deleted: readonly string[]
  readonly groups: readonly GroupDocument[]
  readonly logs: readonly ExportedLog[]
}

export interface ExportedTopic {
  readonly topic: TopicDocument
  /** Of several brokers the one with the highest has the newest. */
  readonly version: number
}

/** How far a replica's log goes. Of two logs of a partition the one of the later epoch, and in the same the longer one, has all that is committed. */
export interface ExportedLog {
  readonly topicId: string
  readonly partition: number
  /** False: it is damaged, or was being copied, and cannot be counted on. */
  readonly isWhole: boolean
  /** Of its last entry. */
  readonly epoch: number
  /** The index that its next entry gets. */
  readonly end: number
  /** Groups that it knows, with the generation that has begun there. */
  readonly groups: Readonly<Record<string, number>>
}
