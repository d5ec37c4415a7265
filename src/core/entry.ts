/**
 * The vocabulary of the log.
 *
 * - entry: one element of a partition's log: a batch of messages, or a change of queue state.
 * - index: an entry's dense position in the log (0, 1, 2, …). Indexes count entries.
 * - offset: a message's dense position among the messages of its partition. Offsets count messages.
 * - epoch: the leader epoch that wrote the entry. It only rises along the log.
 * - append time: the leader's wall clock when it proposed the entry. Never falls along the log.
 * - safe time: the slowest clock among the in-sync replicas. Never falls; windows and trims use it.
 */
export const ENTRY_KINDS = [
  'messages',
  'acquire',
  'settle',
  'group',
  'schedule',
  'topic',
  'epoch',
  'trim',
] as const

export type EntryKind = (typeof ENTRY_KINDS)[number]

/**
 * The highest format of entry payloads that this build knows. An entry of a higher version stops the replica; so a leader writes one only
 * once the cluster has agreed on it (coordination/cluster-versions.ts).
 */
export const ENTRY_VERSION = 1

/**
 * An entry as it is stored and replicated.
 *
 * `payload` is *sealed*: its first four bytes are the CRC-32 (big endian) of the rest. For kind `messages` it is the
 * record batch as the client cut it; for other kinds, entry-codec.ts says.
 */
export interface StoredEntry {
  readonly index: number
  readonly epoch: number
  readonly kind: EntryKind
  readonly version: number
  /** The offset of its first message; for other kinds, the offset that the next message will get. */
  readonly baseOffset: number
  /** How many messages it holds; 0 for other kinds. */
  readonly count: number
  /** Milliseconds since the Unix epoch. */
  readonly appendTime: number
  /** Milliseconds since the Unix epoch. */
  readonly safeTime: number
  readonly payload: Uint8Array
}
