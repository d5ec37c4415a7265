/** What all consumers of a group share. The first consumer fixes it; `admin.updateGroup` changes it. */
export interface GroupSettings {
  /** `none`: any free message goes to whoever asks. @default 'none' */
  readonly order: 'none'
  /** Failed deliveries after which a message is dead. 1 to 1,000. @default 5 */
  readonly maxDeliveries: number
  readonly backoff: BackoffSettings
  /** The topic that dead messages go to; `false`: they are discarded, counted and emitted. @default '<topic>.dead' */
  readonly deadLetter: string | false
}

/** How long a failed message waits: initial × factor^(failures − 1), at most max, ± jitter. */
export interface BackoffSettings {
  /** Milliseconds. @default 1,000 */
  readonly initial: number
  /** Milliseconds. @default 60,000 */
  readonly max: number
  /** @default 2 */
  readonly factor: number
  /** Share by which the wait varies at random, 0 to 1. @default 0.2 */
  readonly jitter: number
}

/** Where a new group begins; a time is that of appending, in milliseconds since the Unix epoch. @default 'earliest' */
export type GroupStart = 'earliest' | 'latest' | { readonly time: number }

export type GroupPatch = Partial<Omit<GroupSettings, 'order' | 'backoff'>> & {
  readonly backoff?: Partial<BackoffSettings> | undefined
}

/** What a consumer said explicitly of its group: the rest is the group's to say. */
export type AskedGroupSettings = GroupPatch & Partial<Pick<GroupSettings, 'order'>>

export interface GroupSummary {
  readonly name: string
  readonly topic: string
  readonly paused: boolean
  /** Messages not yet settled, over all partitions. */
  readonly lag: number
}

export interface GroupDescription {
  readonly name: string
  readonly topic: string
  readonly createdAt: Date
  readonly generation: number
  readonly paused: boolean
  readonly settings: GroupSettings
  readonly partitions: readonly GroupPartitionDescription[]
}

export interface GroupPartitionDescription {
  readonly partition: number
  /** Every message below is settled. */
  readonly floor: number
  /** Messages not yet settled. */
  readonly lag: number
  /** Messages under a lease. */
  readonly inFlight: number
  /** Messages that wait for their next attempt. */
  readonly retrying: number
  /** Messages on their way to the dead-letter topic. */
  readonly dying: number
  readonly acked: number
  readonly deadLettered: number
  readonly discarded: number
  /** Removed by `age` or `bytes` before they were settled. */
  readonly expired: number
  /** The oldest message not yet settled. */
  readonly oldestUnsettled: { readonly offset: number; readonly appendedAt: Date } | undefined
  /** Consumers that hold leases or wait for messages here. */
  readonly members: readonly string[]
}
