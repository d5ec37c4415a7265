import type { RecordBatchHeader } from './record-batch-header.js'

/**
 * What an entry says, decoded. Bodies carry decisions (which offsets, which due time, which sequence), never rules that
 * a replica would compute again: every replica that applies the same bodies reaches the same state.
 */
export type EntryBody = MessagesBody | AcquireBody | SettleBody | GroupBody | TopicBody | EpochBody | TrimBody

/** A record batch. `ids` are the records' `id`s, if any record has one. */
export interface MessagesBody {
  readonly kind: 'messages'
  readonly header: RecordBatchHeader
  readonly ids: readonly (string | undefined)[] | undefined
  readonly bytes: number
}

/** Leases handed out; a grant's place in the list is its token's slot. */
export interface AcquireBody {
  readonly kind: 'acquire'
  readonly grants: readonly Grant[]
}

export interface Grant {
  readonly group: string
  readonly consumer: string
  /** Whether the consumer lives in the broker's own process: its leases end when the broker opens again. */
  readonly local: boolean
  /** Milliseconds. */
  readonly duration: number
  /** Flat half-open ranges of offsets, rising. */
  readonly ranges: readonly number[]
}

export interface SettleBody {
  readonly kind: 'settle'
  readonly items: readonly SettleItem[]
  readonly answers: readonly SettleAnswer[]
}

export interface SettleItem {
  readonly group: string
  /** The lease that ends or changes; undefined for `dead`, which has none. */
  readonly lease: LeaseKey | undefined
  readonly change: SettleChange
  readonly ranges: readonly number[]
}

export interface LeaseKey {
  readonly epoch: number
  readonly index: number
  readonly slot: number
}

export type SettleChange =
  /** Done: never delivered to the group again. */
  | { readonly type: 'acked' }
  /** A failure: available again from `due` on (ms since the Unix epoch, leader's wall clock). */
  | { readonly type: 'retry'; readonly due: number; readonly reason: string }
  /** A failure, the last one: on its way to the dead-letter topic, the first offset with this sequence, the next with one more. */
  | { readonly type: 'rejected'; readonly sequence: number; readonly reason: string }
  /** A failure, the last one, of a group without a dead-letter topic: gone. */
  | { readonly type: 'discarded'; readonly reason: string }
  /** Given back unhandled: available at once, nothing counted. */
  | { readonly type: 'released' }
  /** Its lease ended without word from a consumer that held several: delivered alone from now on. */
  | { readonly type: 'suspected' }
  /** The lease goes on for `duration` milliseconds from now. */
  | { readonly type: 'extended'; readonly duration: number }
  /** A dying message is committed in the dead-letter topic. */
  | { readonly type: 'dead' }

/** The answer to a numbered settle request, kept so that a repeated request reads the same. */
export interface SettleAnswer {
  readonly group: string
  readonly consumer: string
  readonly number: number
  /** Per settlement of the request in this partition: the offsets whose lease was lost before, as flat ranges. */
  readonly lost: readonly (readonly number[])[]
}

export interface GroupBody {
  readonly kind: 'group'
  readonly group: string
  readonly change: /** Made, or moved by a seek: a new generation that has settled nothing from `start` on. */
    | { readonly type: 'started'; readonly generation: number; readonly start: number }
    | { readonly type: 'deleted' }
}

export interface TopicBody {
  readonly kind: 'topic'
  readonly dedupe: { readonly window: number; readonly ids: number }
}

/** The first entry of a leader. */
export interface EpochBody {
  readonly kind: 'epoch'
  /** The leader's broker id. */
  readonly leader: string
}

export interface TrimBody {
  readonly kind: 'trim'
  readonly reason: TrimReason
  /** Only batches with an index below. */
  readonly boundIndex: number
  /** Only batches appended at or before (ms since the Unix epoch). */
  readonly boundTime: number
}

export type TrimReason = 'consumed' | 'age' | 'bytes'
