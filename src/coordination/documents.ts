import { checkName } from '../core/names.js'
import type { GroupSettings } from '../protocol/groups.js'
import type { TopicConfig } from '../protocol/topics.js'
import {
  type DocumentKind,
  isCount,
  isFlag,
  isNull,
  isObject,
  isText,
  listOf,
  optional,
} from './document-codec.js'

/** At /topics/<name>. A topic is its id: one made again under an old name shares nothing with the old one (invariant 11). */
export interface TopicDocument {
  readonly id: string
  readonly name: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly config: Omit<TopicConfig, 'partitions'>
  /** How many: partitions 0 to `partitions` - 1 have documents. */
  readonly partitions: number
}

/** A replica is named by both: a broker that came back with another database is not the replica it was. */
export interface ReplicaName {
  readonly broker: string
  readonly storage: string
}

/** At /partitions/<topic id>/<partition>. What changes together is in here, as there is no transaction over nodes. */
export interface PartitionDocument {
  readonly topicId: string
  readonly partition: number
  /** Rises by one whenever a leader is written, and at no other time. */
  readonly epoch: number
  readonly leader: ReplicaName | null
  readonly replicas: readonly ReplicaName[]
  readonly inSync: readonly ReplicaName[]
}

/** At /groups/<topic id>/<group>. */
export interface GroupDocument {
  readonly topicId: string
  readonly topic: string
  readonly name: string
  readonly generation: number
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly from: GroupOrigin
  readonly settings: GroupSettings
  readonly paused: boolean
  /** The first offset of each partition, where they were resolved; those missing follow `from`. */
  readonly startOffsets?: readonly number[] | undefined
}

/** Where this generation of a group began; a time is that of appending, in milliseconds since the Unix epoch. */
export type GroupOrigin =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly time: number }
  | { readonly kind: 'offset'; readonly offset: number }

/** At /deleted/<topic id>, written before anything of the topic is removed: the only licence to remove it (invariant 11). */
export interface Tombstone {
  readonly topicId: string
  readonly name: string
  /** Milliseconds since the Unix epoch. */
  readonly deletedAt: number
}

/**
 * At /creating/<topic id> until the topic is made: what a crash leaves behind can be told from metadata that was lost.
 * Its versions arbitrate: either its maker removes it as it was, or another marks it as abandoned.
 */
export interface CreationIntent {
  readonly topicId: string
  readonly name: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly abandoned: boolean
}

/** At /generations/<topic id>: a group's generations rise even when it is deleted and made again. */
export interface GenerationCounter {
  readonly generation: number
}

/** Where everything is. */
export const paths = {
  topics: '/topics',
  topic: (name: string) => `/topics/${checkName('topic', name)}`,
  partitions: (topicId: string) => `/partitions/${checkName('topic id', topicId)}`,
  partition: (topicId: string, partition: number) => `${paths.partitions(topicId)}/${partition}`,
  groups: (topicId: string) => `/groups/${checkName('topic id', topicId)}`,
  group: (topicId: string, group: string) => `${paths.groups(topicId)}/${checkName('group', group)}`,
  tombstones: '/deleted',
  tombstone: (topicId: string) => `/deleted/${checkName('topic id', topicId)}`,
  creations: '/creating',
  generations: (topicId: string) => `/generations/${checkName('topic id', topicId)}`,
  creation: (topicId: string) => `/creating/${checkName('topic id', topicId)}`,
} as const

const isReplica = (value: unknown): boolean =>
  isObject(value) && isText(value.broker) && isText(value.storage)

export const topicKind: DocumentKind<TopicDocument> = {
  what: 'topic',
  fields: {
    id: isText,
    name: isText,
    createdAt: Number.isFinite,
    partitions: isCount,
    config: (value) =>
      isObject(value) &&
      isCount(value.replicas) &&
      isCount(value.minInSync) &&
      isCount(value.maxMessageBytes) &&
      isObject(value.retention) &&
      isObject(value.dedupe),
  },
}

export const partitionKind: DocumentKind<PartitionDocument> = {
  what: 'partition',
  fields: {
    topicId: isText,
    partition: isCount,
    epoch: isCount,
    leader: (value) => isNull(value) || isReplica(value),
    replicas: listOf(isReplica),
    inSync: listOf(isReplica),
  },
}

export const groupKind: DocumentKind<GroupDocument> = {
  what: 'group',
  fields: {
    topicId: isText,
    topic: isText,
    name: isText,
    generation: isCount,
    createdAt: Number.isFinite,
    from: isOrigin,
    settings: (value) =>
      isObject(value) && isText(value.order) && isCount(value.maxDeliveries) && isObject(value.backoff),
    paused: isFlag,
    startOffsets: optional(listOf(isCount)),
  },
}

export const tombstoneKind: DocumentKind<Tombstone> = {
  what: 'tombstone',
  fields: { topicId: isText, name: isText, deletedAt: Number.isFinite },
}

export const creationKind: DocumentKind<CreationIntent> = {
  what: 'creation',
  fields: { topicId: isText, name: isText, createdAt: Number.isFinite, abandoned: isFlag },
}

export const generationsKind: DocumentKind<GenerationCounter> = {
  what: 'generation counter',
  fields: { generation: isCount },
}

function isOrigin(value: unknown): boolean {
  if (!isObject(value)) return false
  if (value.kind === 'time') return Number.isFinite(value.time)
  if (value.kind === 'offset') return isCount(value.offset)
  return value.kind === 'earliest' || value.kind === 'latest'
}
