/** A topic's configuration, complete. */
export interface TopicConfig {
  /** 1 to 10,000. @default 1 */
  readonly partitions: number
  /** Copies of each partition. @default 1 embedded, 3 with a coordination service */
  readonly replicas: number
  /** In-sync replicas that a send needs. @default ⌊replicas / 2⌋ + 1 */
  readonly minInSync: number
  readonly retention: RetentionConfig
  /** The largest message, as encoded, in bytes. @default 1,048,576 */
  readonly maxMessageBytes: number
  readonly dedupe: DedupeConfig
}

export interface RetentionConfig {
  /** Milliseconds that a message is kept at least, from its appending, once every group has settled it. @default 3,600,000 */
  readonly after: number
  /** Milliseconds after which a message goes, settled or not. @default undefined: never */
  readonly age?: number | undefined
  /** Bytes per partition above which the oldest messages go, settled or not. @default undefined: no limit */
  readonly bytes?: number | undefined
}

export interface DedupeConfig {
  /** Milliseconds for which an `id` is remembered. @default 600,000 */
  readonly window: number
  /** How many ids a partition remembers at most. @default 1,000,000 */
  readonly ids: number
}

/** What may be changed of a topic after it was made. `null` in retention takes a limit away. */
export interface TopicPatch {
  readonly retention?:
    | {
        readonly after?: number | undefined
        readonly age?: number | null | undefined
        readonly bytes?: number | null | undefined
      }
    | undefined
  readonly maxMessageBytes?: number | undefined
  readonly dedupe?: Partial<DedupeConfig> | undefined
}

export interface TopicSummary {
  readonly name: string
  readonly id: string
  readonly partitions: number
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly createdAt: Date
  readonly config: TopicConfig
  readonly partitions: readonly PartitionDescription[]
}

export interface PartitionDescription {
  readonly partition: number
  readonly leader: { readonly id: string; readonly url: string | undefined } | undefined
  readonly epoch: number
  readonly replicas: readonly string[]
  readonly inSync: readonly string[]
  /** The oldest message that is still stored, or `nextOffset` if there is none. */
  readonly firstOffset: number
  /** The offset that the next message will get. */
  readonly nextOffset: number
  /** Of stored messages. */
  readonly messages: number
  readonly bytes: number
}
