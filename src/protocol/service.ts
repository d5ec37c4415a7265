import type { PortalError } from '../core/errors.js'
import type { CallSignal } from '../runtime/call-signal.js'
import type { ClusterChange, ClusterChanged, ClusterDescription, PartitionPlacement } from './cluster.js'
import type {
  AskedGroupSettings,
  GroupDescription,
  GroupPatch,
  GroupSettings,
  GroupStart,
  GroupSummary,
} from './groups.js'
import type { MetricFamily } from './metrics.js'
import type { TopicConfig, TopicDescription, TopicPatch, TopicSummary } from './topics.js'

/**
 * Everything a broker does for clients, as plain async methods. Clients, the CLI and (later) other brokers hold one of these
 * and cannot tell whether it is in this process or across a network.
 *
 * An implementation MUST answer only from what is committed, reject with a PortalError and nothing else, end a wait soon
 * after its `signal` aborts (rejecting with ABORTED), and take or return bytes that nobody changes afterwards.
 */
export interface BrokerService {
  /** Appends record batches; resolves when each is committed or refused. Rejects as a whole only before anything is appended. */
  produce(request: ProduceRequest, call?: CallOptions): Promise<ProduceResponse>

  /** Makes the group if there is none, checks the settings that were asked for, says which are in force. GROUP_CONFLICT, TOPIC_NOT_FOUND. */
  joinGroup(request: JoinGroupRequest, call?: CallOptions): Promise<JoinedGroup>
  /** Leases messages; waits for one if there is none. Resolves to no deliveries at the end of `wait`. GROUP_NOT_FOUND: join again. */
  receive(request: ReceiveRequest, call?: CallOptions): Promise<ReceiveResponse>
  /**
   * Leases messages one answer after the other, as they come and as far as the credit goes. Its first answer is empty and says that it is open;
   * later ones may be empty, too. It ends when `endStream` or the signal ends it (which give back what is not on its way yet), and throws as
   * `receive` does.
   */
  receiveStream(request: StreamRequest, call?: CallOptions): AsyncIterable<ReceiveResponse>
  /** Raises a stream's credit; nothing happens if it is not open. `settle` can do so on its way. */
  addCredit(credit: StreamCredit, call?: CallOptions): Promise<void>
  endStream(request: { readonly stream: string }, call?: CallOptions): Promise<void>
  /** Ends a receive that still waits: it rejects with ABORTED. One whose grant is on its way is answered with that. */
  endReceive(request: EndReceiveRequest, call?: CallOptions): Promise<void>
  /** Ends or extends leases. Leases that were lost are named in the answer and change nothing. */
  settle(request: SettleRequest, call?: CallOptions): Promise<SettleResponse>

  /** Committed batches from an offset on; waits at the end of the log if asked to. OFFSET_OUT_OF_RANGE above the end. */
  read(request: ReadRequest, call?: CallOptions): Promise<ReadResponse>
  /** The offset that `at` stands for in one partition. */
  findOffset(request: FindOffsetRequest, call?: CallOptions): Promise<{ readonly offset: number }>

  createTopic(
    request: { readonly name: string; readonly config: Partial<TopicConfig> },
    call?: CallOptions,
  ): Promise<TopicDescription>
  listTopics(call?: CallOptions): Promise<readonly TopicSummary[]>
  /**
   * What clients route by. With `create`, a missing topic is made with the defaults (if the broker allows it); with `wait`, the
   * answer comes when there is one.
   */
  findTopic(request: FindTopicRequest, call?: CallOptions): Promise<TopicRoute>
  describeTopic(request: { readonly name: string }, call?: CallOptions): Promise<TopicDescription>
  updateTopic(
    request: { readonly name: string; readonly patch: TopicPatch },
    call?: CallOptions,
  ): Promise<TopicDescription>
  addPartitions(
    request: { readonly name: string; readonly partitions: number },
    call?: CallOptions,
  ): Promise<TopicDescription>
  deleteTopic(request: { readonly name: string }, call?: CallOptions): Promise<void>

  listGroups(request: { readonly topic: string }, call?: CallOptions): Promise<readonly GroupSummary[]>
  describeGroup(request: GroupName, call?: CallOptions): Promise<GroupDescription>
  updateGroup(
    request: GroupName & { readonly patch: GroupPatch },
    call?: CallOptions,
  ): Promise<GroupDescription>
  pauseGroup(request: GroupName, call?: CallOptions): Promise<void>
  resumeGroup(request: GroupName, call?: CallOptions): Promise<void>
  /** Moves the group: a new generation, whose messages from there on are all unsettled. Leases of before are lost. */
  seekGroup(request: GroupName & { readonly to: SeekTarget }, call?: CallOptions): Promise<void>
  deleteGroup(request: GroupName, call?: CallOptions): Promise<void>
  /** Why a message is not delivered to a group, in words. */
  explain(
    request: GroupName & { readonly partition: number; readonly offset: number },
    call?: CallOptions,
  ): Promise<Explanation>

  /** Which brokers there are, for everybody; how much they hold, for who may administer all topics. */
  describeCluster(call?: CallOptions): Promise<ClusterDescription>
  /** Where the partitions of one topic or all are, and how far their replicas; asks their leaders. In the order of topics and partitions. */
  describePlacement(
    request: { readonly topic?: string | undefined },
    call?: CallOptions,
  ): Promise<readonly PartitionPlacement[]>
  /**
   * Has the controller do what an administrator asks. INVALID_ARGUMENT: there is no such broker, or it cannot be forgotten; NOT_ENOUGH_REPLICAS:
   * nobody can be elected, or the leader is well; UNSUPPORTED: the broker is alone.
   */
  changeCluster(request: ClusterChange, call?: CallOptions): Promise<ClusterChanged>
  /** What is counted and measured, as Prometheus names it. At most some thousand samples, however many topics there are. */
  metrics(call?: CallOptions): Promise<readonly MetricFamily[]>
  /** Resolves if messages can be stored now. Otherwise it rejects with why not: CLOSED, STORAGE_FULL, STORAGE_FAILED. */
  checkReady(call?: CallOptions): Promise<void>

  /** Waits for the lock, or resolves to undefined at the end of `wait`. The lock ends `ttl` after its last renewal. */
  acquireLock(request: AcquireLockRequest, call?: CallOptions): Promise<LockGrant | undefined>
  /** LOCK_LOST if the token no longer holds it. */
  renewLock(request: LockName, call?: CallOptions): Promise<void>
  /** Resolves whether or not the token still held it. */
  releaseLock(request: LockName, call?: CallOptions): Promise<void>
}

/** The calls of a stream of answers. */
export type StreamService = Pick<BrokerService, 'receiveStream' | 'addCredit' | 'endStream'>

/** A broker as its clients see it: not every carrier has streams. */
export type RemoteService = Omit<BrokerService, keyof StreamService> & Partial<StreamService>

export interface CallOptions {
  readonly signal?: CallSignal | undefined
  /** It was passed on by another broker: whoever does not lead what it names says NOT_LEADER and passes it on to nobody. */
  readonly forwarded?: boolean | undefined
  /** A client asks the leader itself: whoever does not lead what it names says NOT_LEADER. It gives no rights that the call has not without it. */
  readonly direct?: boolean | undefined
  /** Whether the caller may do what the call says, asked with the names involved; undefined: it may do everything. */
  readonly authorize?: Authorize | undefined
}

/** `produce`, `consume` and `admin` are about topics, `lock` is about a lock. */
export type Action = 'produce' | 'consume' | 'admin' | 'lock'

/** Throws FORBIDDEN unless the caller may act on the topic or lock of this name. */
export type Authorize = (action: Action, name: string) => void

/** Where a seek or a reader begins: an offset, the time of appending (ms since the Unix epoch), or an end of the log. */
export type Position = { readonly offset: number } | { readonly time: number } | 'earliest' | 'latest'
export type SeekTarget = Position

// Producing ------------------------------------------------------------------------------------------------------------

export interface ProduceRequest {
  /** `all`: every in-sync replica has fsynced. `leader`: the leader has. */
  readonly acks: 'all' | 'leader'
  readonly batches: readonly ProduceBatch[]
  /** How the records are packed on their way, where there is one; they are stored as they were before. @default not at all */
  readonly compression?: Compression | undefined
}

export type Compression = 'deflate' | 'zstd'

export interface ProduceBatch {
  readonly topicId: string
  readonly partition: number
  /** A sealed record batch (core/record-batch.ts): its producer, epoch and sequence are in it. */
  readonly records: Uint8Array
}

export interface ProduceResponse {
  /** One per batch, in their order. */
  readonly results: readonly ProduceResult[]
}

export type ProduceResult = ProduceSuccess | { readonly error: PortalError }

export interface ProduceSuccess {
  readonly error?: undefined
  /** Flat triples (count, first offset, 1 if duplicates of an `id` else 0) that cover the batch's records in order. */
  readonly runs: readonly number[]
}

// Consuming ------------------------------------------------------------------------------------------------------------

export interface GroupName {
  readonly topic: string
  readonly group: string
}

export interface JoinGroupRequest extends GroupName {
  /** Only what the consumer said explicitly. */
  readonly settings: AskedGroupSettings
  readonly from?: GroupStart | undefined
  /** Whether a group that does not exist is made. */
  readonly create: boolean
}

export interface JoinedGroup {
  readonly topicId: string
  readonly partitions: number
  readonly generation: number
  readonly settings: GroupSettings
}

export interface ReceiveRequest {
  readonly topicId: string
  readonly group: string
  readonly generation: number
  /** The consumer's identity: its leases are its own. */
  readonly consumer: string
  /** Milliseconds. */
  readonly lease: number
  readonly maxMessages: number
  readonly maxBytes: number
  /** Milliseconds to wait when nothing is free. Undefined: until the signal aborts. 0: not at all. */
  readonly wait?: number | undefined
  /**
   * Names it among the receives of this consumer, for `endReceive` and so that a copy of the request is known. Each is served once; another of the
   * same name is refused with ABORTED, which is worth another try under another name. Only one that waited for 15 seconds or longer and was answered with
   * nothing may be repeated under its own.
   */
  readonly id?: number | undefined
  /**
   * Leases nothing: resolves, without deliveries, once there is something that this consumer could lease, or at the end of `wait`.
   * Who asks several leaders parks such hints, and then receives from the one that answered. @default false
   */
  readonly hint?: boolean | undefined
  /**
   * After an answer was lost: all leases that the consumer knows of. What else it was granted is given back uncounted, and older
   * receives of the consumer that still wait end with ABORTED. Undefined: nothing was lost.
   */
  readonly held?: readonly HeldToken[] | undefined
}

export interface StreamRequest extends Omit<ReceiveRequest, 'maxMessages' | 'maxBytes' | 'wait' | 'id'> {
  /** Names the stream: random, for whoever knows it may add credit. */
  readonly stream: string
  readonly credit: Omit<StreamCredit, 'stream'>
}

/** How much a stream may deliver, counted from its beginning: saying it again changes nothing. */
export interface StreamCredit {
  readonly stream: string
  readonly messages: number
  /** Of record batches; the last answer may go beyond it by one batch. */
  readonly bytes: number
}

export interface EndReceiveRequest {
  readonly topicId: string
  readonly group: string
  readonly consumer: string
  readonly id: number
}

/** A lease, by its partition and token. */
export interface HeldToken {
  readonly partition: number
  readonly token: LeaseToken
}

export interface ReceiveResponse {
  readonly deliveries: readonly Delivery[]
  /** Whether there was more when this was leased than the request allowed. Brokers of before do not say it. */
  readonly more?: boolean | undefined
}

/** A lease: its token, and what was leased. */
export interface Delivery {
  readonly partition: number
  readonly token: LeaseToken
  readonly batches: readonly DeliveredBatch[]
}

export interface DeliveredBatch {
  readonly baseOffset: number
  readonly records: Uint8Array
  /** The offsets that were leased of it: flat half-open ranges. */
  readonly ranges: readonly number[]
  /** Flat pairs (offset, delivery count) of those that were delivered before; all others have count 1. */
  readonly deliveryCounts: readonly number[]
}

/** Names a lease for ever: the epoch and index of the `acquire` entry, and the place in that entry. */
export interface LeaseToken {
  readonly epoch: number
  readonly index: number
  readonly slot: number
}

export interface SettleRequest {
  readonly topicId: string
  readonly group: string
  readonly generation: number
  readonly consumer: string
  /** Another one with each request of this consumer; a repeated one gets the first answer. Undefined: it is not repeated. */
  readonly number?: number | undefined
  readonly settlements: readonly Settlement[]
  /** For the consumer's stream, on the way. */
  readonly credit?: StreamCredit | undefined
}

export interface Settlement {
  readonly partition: number
  readonly token: LeaseToken
  readonly outcome: SettleOutcome
  /** Flat half-open ranges of offsets. */
  readonly ranges: readonly number[]
  /** nack: milliseconds until it may come back; undefined: the group's backoff. extend: milliseconds from now. */
  readonly delay?: number | undefined
  readonly reason?: string | undefined
}

/** `release` gives back what was never handled: it does not count as a delivery. */
export type SettleOutcome = 'ack' | 'nack' | 'reject' | 'extend' | 'release'

export interface SettleResponse {
  /** One per settlement, in order: flat half-open ranges of the offsets whose lease was lost before (empty: all done). */
  readonly lost: readonly (readonly number[])[]
}

// Reading --------------------------------------------------------------------------------------------------------------

export interface ReadRequest {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly maxBytes: number
  /** Milliseconds to wait at the end of the log. @default 0. Infinity: until the signal aborts. */
  readonly wait?: number | undefined
}

export interface ReadResponse {
  /** Batches that hold offsets ≥ the one asked for (the first may begin below it), rising; what was trimmed is missing. */
  readonly batches: readonly { readonly baseOffset: number; readonly records: Uint8Array }[]
  /** Where to go on. */
  readonly nextOffset: number
  /** The offset that the next committed message will get. */
  readonly endOffset: number
}

export interface FindOffsetRequest {
  readonly topicId: string
  readonly partition: number
  readonly at: Position
}

export interface FindTopicRequest {
  readonly name: string
  /** @default false */
  readonly create?: boolean | undefined
  /** Milliseconds to wait for a missing topic; Infinity: until the signal aborts. @default 0 */
  readonly wait?: number | undefined
}

export interface TopicRoute {
  readonly topicId: string
  readonly name: string
  readonly partitions: number
  readonly maxMessageBytes: number
  /** In a cluster: the id of the broker that leads each partition, as far as the one that answers knows; null: none leads it now. */
  readonly leaders?: readonly (string | null)[] | undefined
  /** The brokers named in `leaders`, and where they are reached. */
  readonly brokers?: readonly BrokerAddress[] | undefined
}

export interface BrokerAddress {
  readonly id: string
  readonly url: string
}

// Cluster, locks -------------------------------------------------------------------------------------------------------

export interface Explanation {
  readonly state:
    | 'available'
    | 'leased'
    | 'waiting'
    | 'suspect'
    | 'dying'
    | 'settled'
    | 'dead-lettered'
    | 'expired'
    | 'missing'
    | 'blocked'
  /** A sentence. */
  readonly reason: string
  /** When that changes by itself, if it does. */
  readonly until?: Date | undefined
}

export interface AcquireLockRequest {
  readonly name: string
  /** Milliseconds. */
  readonly ttl: number
  /** Milliseconds to wait. Undefined: until the signal aborts. 0: not at all. */
  readonly wait?: number | undefined
  /**
   * Names a wait that is made of several calls, each of which keeps the place in line of the one before if it comes within 3 seconds. With a `wait` of 0 the
   * place is given up, and nothing is taken. A name that has had the lock is refused with ABORTED, which is worth another try under another name.
   */
  readonly waiter?: string | undefined
}

export interface LockName {
  readonly name: string
  readonly token: number
}

export interface LockGrant {
  /** A fencing token: higher than that of every holder before, across restarts. */
  readonly token: number
}
