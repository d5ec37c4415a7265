import type { StoredEntry } from '../core/entry.js'
import type { PortalError } from '../core/errors.js'
import type { CallOptions } from './service.js'

/**
 * What brokers of one cluster say to each other; clients never do. Every request names its sender: receivers keep the
 * highest they saw of each and refuse what is older (invariant 2).
 *
 * An implementation MUST reject with a PortalError and nothing else, and end a wait soon after its `signal` aborts.
 */
export interface PeerService {
  /**
   * A follower asks a leader for what comes after its logs' ends, for all partitions that it follows there. Waits until there is
   * something, or until the end of `wait`. Results are per partition, and only of those with something to say. Within a session a request
   * names only what is other than the leader knows, and asks for all.
   */
  fetch(request: FetchRequest, call?: CallOptions): Promise<FetchResponse>

  /** A slice of the leader's last snapshot, for a follower that is behind the start of the leader's log. */
  readSnapshot(request: SnapshotRequest, call?: CallOptions): Promise<SnapshotSlice>

  /** Batches of a partition that come before its snapshot and are retained: they complete a snapshot. */
  readBatches(request: BatchesRequest, call?: CallOptions): Promise<BatchesResponse>

  /**
   * The controller says what is in force. Of two versions of a partition's document the receiver keeps the higher; if that is its own, it
   * reports it: a report may have gone to a controller that was none any more.
   */
  update(request: UpdateRequest, call?: CallOptions): Promise<UpdateResponse>

  /**
   * A broker tells the controller of partition documents that it wrote itself: another in-sync set, a leadership handed over, a move that is
   * done. Tried again, with whoever is the controller by then, until it resolves: the others learn of them by the controller alone.
   * NOT_LEADER from a broker that is not the controller.
   */
  report(request: ReportRequest, call?: CallOptions): Promise<void>

  /** Passes on to the controller what an administrator asks of the cluster. NOT_LEADER from a broker that is not the controller. */
  command(request: CommandRequest, call?: CallOptions): Promise<CommandResponse>

  /**
   * Asks the leader to hand a partition over to `to`, which must be in sync. Resolves once the document names the new leader; NOT_LEADER,
   * NOT_ENOUGH_REPLICAS if `to` does not catch up in time.
   */
  handOver(request: HandOverRequest, call?: CallOptions): Promise<void>

  /** Stores a record batch of an internal producer (dead letters): brokers alone may use its name. */
  append(request: AppendRequest, call?: CallOptions): Promise<void>
}

/** One life of a broker, on one database. */
export interface Incarnation {
  readonly broker: string
  readonly storage: string
  readonly generation: number
}

interface PeerRequest {
  readonly cluster: string
  readonly from: Incarnation
}

export interface FetchRequest extends PeerRequest {
  /** Milliseconds to wait when there is nothing. */
  readonly wait: number
  /** Of payloads, over all partitions; an entry that is larger goes alone. */
  readonly maxBytes: number
  /** The follower's wall clock (ms since the Unix epoch): safe time is the slowest clock in sync. */
  readonly now: number
  /** Without a session: all that the follower follows there. */
  readonly partitions: readonly FetchPosition[]
  /** Undefined: the request stands for itself. */
  readonly session?: FetchSession | undefined
}

/**
 * Fetches of one follower at one leader, of those in sync or of those behind, that rest on each other (as in Kafka's KIP-227): the leader keeps the positions that it was told. A request
 * says all that has changed since the last one that was answered, so that those between may be lost, doubled, or come late.
 */
export interface FetchSession {
  /**
   * Below 2^48. The first of a process is chosen by chance, those after it are higher: of one life of a follower a leader keeps none that is lower than
   * another was. One that was started again knows none of them.
   */
  readonly id: number
  /**
   * 0: the session begins, `partitions` are all that is asked for. It rises with each request: one that is lower than the leader has seen comes
   * late, and is not served.
   */
  readonly number: number
  /** Partitions that are not asked for any more. */
  readonly forgotten: readonly PartitionName[]
  /** The session of those that are behind: a follower has it beside the other one. Builds that had one session say nothing. */
  readonly catchUp: boolean
}

export interface FetchPosition {
  readonly topicId: string
  readonly partition: number
  /** The epoch that the follower follows. */
  readonly epoch: number
  /** The first index that it lacks: all below is fsynced there. */
  readonly next: number
  /** The epoch of its entry before `next`; -1 if it has none. */
  readonly lastEpoch: number
  /** The high watermark that it knows, 0 if this leader has told none yet: the leader answers soon if it knows a higher one. */
  readonly highWatermark: number
  /**
   * The last round of its leader that it heard of in this epoch: so it followed when that had begun. The leader answers soon if another has.
   * 0: none; undefined: a build that knows of no rounds.
   */
  readonly round: number | undefined
  /**
   * The highest version of the partition's document that it knows to name it: no older one takes it away. 0: none; undefined: a build that does not
   * say.
   */
  readonly documentVersion?: number | undefined
}

export interface FetchResponse {
  readonly results: readonly FetchResult[]
  /** The session that the leader keeps. Undefined: it keeps none, or knows no such one; another must begin. */
  readonly session?: number | undefined
}

export interface PartitionName {
  readonly topicId: string
  readonly partition: number
}

export type FetchResult = PartitionName &
  (
    | FetchedEntries
    /** The logs part: the leader's entries of the highest epoch ≤ the asked one end below `end`. */
    | { readonly type: 'diverged'; readonly epoch: number; readonly end: number }
    /** The leader's log begins above: a snapshot must be installed. */
    | { readonly type: 'behind' }
    | { readonly type: 'error'; readonly error: PortalError }
  )

export interface FetchedEntries {
  readonly type: 'entries'
  readonly entries: readonly StoredEntry[]
  /** Below it all is committed; 0: the leader does not say yet. */
  readonly highWatermark: number
  /** How often the leader has wanted to know whether it is followed still. */
  readonly round: number
  /**
   * Of the document that made the follower a replica, as far as the leader knows: until it says that it knows of it, nothing that it says counts.
   * 0: a build that does not say.
   */
  readonly documentVersion: number
}

export interface SnapshotRequest extends PeerRequest, PartitionName {
  readonly epoch: number
  /** The index of the snapshot that was begun; undefined: the last one. OFFSET_OUT_OF_RANGE: another has replaced it, begin again. */
  readonly index?: number | undefined
  /** How many pages were read before. */
  readonly fromPage: number
  readonly maxBytes: number
}

export interface SnapshotSlice {
  readonly index: number
  readonly epoch: number
  /** Sealed, as it is stored. */
  readonly header: Uint8Array
  /** The ids of all pages, in the order of the header. */
  readonly pageIds: readonly number[]
  /** Sealed, those from `fromPage` on; fewer than asked for if they are large. */
  readonly pages: readonly Uint8Array[]
}

export interface BatchesRequest extends PeerRequest, PartitionName {
  readonly epoch: number
  /** `messages` entries with `first` ≤ index < `end`, rising. */
  readonly first: number
  readonly end: number
  /** Of payloads; at least one entry is answered if there is one. */
  readonly maxBytes: number
}

export interface BatchesResponse {
  /** Empty: there are no more. */
  readonly entries: readonly StoredEntry[]
}

export interface UpdateRequest extends PeerRequest {
  /** The life that it is meant for: every other one refuses it, NOT_LEADER. */
  readonly to: Incarnation
  /** The controller's term: lower ones are refused, NOT_LEADER. */
  readonly term: number
  /**
   * Rises over all requests of a term; one that is tried again keeps its own. One lower than the receiver has seen in that term comes late and
   * changes nothing: nodes of members and topics can be made again, and their versions then begin anew.
   */
  readonly sequence: number
  readonly documents: readonly PushedDocument[]
}

/** A document of the coordination store as it stands there (coordination/documents.ts). */
export interface PushedDocument {
  readonly path: string
  /** Of its node. For one that is removed, the version before. */
  readonly version: number
  /** Undefined: it was removed. */
  readonly text: string | undefined
}

export interface ReportRequest extends PeerRequest {
  readonly documents: readonly PushedDocument[]
}

export interface CommandRequest extends PeerRequest {
  readonly command: ClusterCommand
}

export type ClusterCommand =
  /** Replicas and preferred leaders are spread evenly over the living brokers, a few at a time. */
  | { readonly type: 'rebalance' }
  /** All replicas leave the broker, a few at a time, and no new ones come to it. */
  | { readonly type: 'drain'; readonly broker: string }
  | { readonly type: 'undrain'; readonly broker: string }
  /** A broker that will not come back is struck off the list; it must be away, and no partition on it. */
  | { readonly type: 'forget'; readonly broker: string }
  /** A replica that may lack acknowledged messages leads. `broker`: which one; undefined: the first that lives. */
  | ({ readonly type: 'electUnclean'; readonly broker?: string | undefined } & PartitionName)

export type CommandResponse =
  /** `moves`: how many partitions are to move now. It goes on by itself; asking again tells how many are left. */
  | { readonly type: 'planned'; readonly moves: number }
  | { readonly type: 'forgotten' }
  /** `lost`: the in-sync replicas that may have held more than the new leader; empty if the election was a clean one. */
  | {
      readonly type: 'elected'
      readonly leader: string
      readonly epoch: number
      readonly lost: readonly string[]
    }

export interface UpdateResponse {
  /** Topics of pushed tombstones of which the receiver holds nothing any more. */
  readonly removed: readonly string[]
}

export interface HandOverRequest extends PeerRequest, PartitionName {
  readonly epoch: number
  readonly to: Incarnation
}

export interface AppendRequest extends PeerRequest, PartitionName {
  /** A sealed record batch. */
  readonly records: Uint8Array
}
