/** The brokers of a cluster, as the one that answers knows them. What is about clusters only is missing where a broker is alone. */
export interface ClusterDescription {
  readonly clusterId: string
  readonly brokers: readonly BrokerDescription[]
  /** How many. This and what follows: undefined for callers that may not administer all topics. */
  readonly topics?: number | undefined
  readonly partitions?: number | undefined
  /** Of the broker that answers. */
  readonly storage?:
    | {
        readonly usedBytes: number
        readonly freeBytes: number
        /** Those of `usedBytes` that are free inside the files: filled first, and given back while the disk is short. */
        readonly reusableBytes?: number | undefined
      }
    | undefined
  /** Who decides in the cluster, and since which election. Missing while there is nobody. */
  readonly controller?: { readonly id: string; readonly term: number } | undefined
  /** Of the broker that answers. */
  readonly coordination?: CoordinationDescription | undefined
}

export interface CoordinationDescription {
  /** Whether its session lives. Without one messages flow, but nothing can be elected, made or changed. */
  readonly reachable: boolean
}

export interface BrokerDescription {
  readonly id: string
  /** Undefined: its own process alone reaches it, or it is away. */
  readonly url: string | undefined
  /** Whether it has a session: one without is away, or was stopped, and is listed until it is forgotten. */
  readonly alive?: boolean | undefined
  /** It is being stopped: what it leads goes to others. */
  readonly leaving?: boolean | undefined
  /** Its disk is nearly full and it takes no messages: others lead what they can. */
  readonly full?: boolean | undefined
  /** There is so little left of it that it copies no messages of what others lead: its replicas fall behind. */
  readonly stalled?: boolean | undefined
  /** Its replicas go to others, and none come to it. */
  readonly drained?: boolean | undefined
  readonly rack?: string | undefined
  /** Its starts and sessions, counted. */
  readonly generation?: number | undefined
  /** Partitions that it leads. */
  readonly leaders?: number | undefined
  /** Partitions that it has a replica of, or gets one. */
  readonly replicas?: number | undefined
}

/** Where a partition is, and how far each replica of it. */
export interface PartitionPlacement {
  readonly topic: string
  readonly partition: number
  /** A broker's id, as all that follow; undefined: nobody can lead it now. */
  readonly leader: string | undefined
  /** Rises with every change of the leader. */
  readonly epoch: number
  /** In the order of preference: the first leads when it can. */
  readonly replicas: readonly string[]
  /** Those that have everything which was acknowledged. */
  readonly inSync: readonly string[]
  /** While it is moving: what `replicas` shall be. */
  readonly target?: readonly string[] | undefined
  /** How many must have a message before it is acknowledged. */
  readonly minInSync: number
  /** What its leader knows of its log; missing if that does not answer. */
  readonly log?: LogProgress | undefined
}

/** Counted in entries of the log: one holds many messages, or what became of some. */
export interface LogProgress {
  /** The index of the next entry. */
  readonly end: number
  /** All entries below are committed. */
  readonly highWatermark: number
  /** The replicas that follow. `lag`: entries that it has not confirmed; missing: it has not been heard in this epoch. */
  readonly followers: readonly { readonly id: string; readonly lag?: number | undefined }[]
}

export type ClusterChange =
  /** Replicas and leaders are spread evenly over the living brokers, a few at a time. */
  | { readonly type: 'rebalance' }
  /** All replicas leave the broker, a few at a time, and none come to it. */
  | { readonly type: 'drain'; readonly broker: string }
  | { readonly type: 'undrain'; readonly broker: string }
  /** A broker that will not come back is struck off the list: it is away, and nothing is on it. */
  | { readonly type: 'forget'; readonly broker: string }
  /** A replica leads that may lack acknowledged messages. `broker`: which one; undefined: the first that lives. */
  | {
      readonly type: 'elect-unclean'
      readonly topic: string
      readonly partition: number
      readonly broker?: string | undefined
    }

/** `moves` after a rebalance, a drain and its end; the rest after an election; nothing after forgetting. */
export type ClusterChanged = Partial<ClusterMoves & UncleanElection>

/** What is under way by an administrator's wish. It goes on by itself, whoever is the controller. */
export interface ClusterMoves {
  /** Partitions that are still to move: asking again tells how many are left. */
  readonly moves: number
}

export interface UncleanElection {
  readonly leader: string
  readonly epoch: number
  /** The brokers that may have had more than the new leader; empty if nothing was lost. */
  readonly lost: readonly string[]
}
