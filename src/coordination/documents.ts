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
  /** The life of the leader that this epoch was given to (its generation): a later one needs a new epoch. */
  readonly incarnation?: number | undefined
  /** In the order of preference: the first leads when it can. */
  readonly replicas: readonly ReplicaName[]
  readonly inSync: readonly ReplicaName[]
  /** While a move is under way: what `replicas` shall be. */
  readonly target?: readonly ReplicaName[] | undefined
}

/** At /members/<broker id>, ephemeral: who lives, and how to reach it. */
export interface MemberDocument extends ReplicaName {
  readonly generation: number
  /** Where other brokers and clients reach it. */
  readonly url: string
  readonly rack?: string | undefined
  /** Versions that it speaks: of the protocol between brokers, and of entries. */
  readonly versions: { readonly peer: number; readonly entry: number }
  /** It is about to leave: it leads nothing new, and what it leads goes elsewhere. */
  readonly leaving?: boolean | undefined
  /** Its disk is nearly full and it takes no messages: it leads only what nobody with room can. */
  readonly full?: boolean | undefined
  /** There is so little left of it that it copies no messages of what others lead: those replicas fall behind. */
  readonly stalled?: boolean | undefined
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number
}

/** At /brokers/<broker id>: every broker that ever was, until it is forgotten. A database behind its node is an old copy. */
export interface BrokerDocument extends ReplicaName {
  readonly generation: number
  /** Names the process that registered this generation, or its clean stop: another one of the same generation runs on a copy. */
  readonly life?: string | undefined
  /** Databases that the broker had before, and how far they came: a copy of one may be put back. */
  readonly earlier?: readonly EarlierStorage[] | undefined
  /** No replica goes to it any more: `cluster drain`. */
  readonly drained?: boolean | undefined
}

export interface EarlierStorage {
  readonly storage: string
  readonly generation: number
  readonly life?: string | undefined
}

/** At /controller: the term of the last elected controller, and who it is. */
export interface ControllerDocument extends ReplicaName {
  readonly generation: number
  readonly term: number
  /** A rebalance was asked for and is not done: whoever is the controller goes on with it. */
  readonly rebalancing?: boolean | undefined
}

/** At /cluster: what all brokers of a cluster share; made by the first. */
export interface ClusterDocument {
  readonly clusterId: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** What its brokers may say and write: all of them read it. They rise, and never fall. @default 1, of each */
  readonly versions?: { readonly peer: number; readonly entry: number } | undefined
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
  members: '/members',
  member: (broker: string) => `/members/${checkName('broker id', broker)}`,
  brokers: '/brokers',
  broker: (broker: string) => `/brokers/${checkName('broker id', broker)}`,
  cluster: '/cluster',
  controller: '/controller',
  elections: '/elections',
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
    incarnation: optional(isCount),
    replicas: listOf(isReplica),
    inSync: listOf(isReplica),
    target: optional(listOf(isReplica)),
  },
}

export const memberKind: DocumentKind<MemberDocument> = {
  what: 'member',
  fields: {
    broker: isText,
    storage: isText,
    generation: isCount,
    url: isText,
    rack: optional(isText),
    versions: isVersions,
    leaving: optional(isFlag),
    full: optional(isFlag),
    stalled: optional(isFlag),
    startedAt: Number.isFinite,
  },
}

export const brokerKind: DocumentKind<BrokerDocument> = {
  what: 'broker',
  fields: {
    broker: isText,
    storage: isText,
    generation: isCount,
    life: optional(isText),
    earlier: optional(
      listOf(
        (value) =>
          isObject(value) &&
          isText(value.storage) &&
          isCount(value.generation) &&
          optional(isText)(value.life),
      ),
    ),
    drained: optional(isFlag),
  },
}

export const controllerKind: DocumentKind<ControllerDocument> = {
  what: 'controller',
  fields: {
    broker: isText,
    storage: isText,
    generation: isCount,
    term: isCount,
    rebalancing: optional(isFlag),
  },
}

export const clusterKind: DocumentKind<ClusterDocument> = {
  what: 'cluster',
  fields: { clusterId: isText, createdAt: Number.isFinite, versions: optional(isVersions) },
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

function isVersions(value: unknown): boolean {
  return isObject(value) && isCount(value.peer) && isCount(value.entry)
}

function isOrigin(value: unknown): boolean {
  if (!isObject(value)) return false
  if (value.kind === 'time') return Number.isFinite(value.time)
  if (value.kind === 'offset') return isCount(value.offset)
  return value.kind === 'earliest' || value.kind === 'latest'
}
