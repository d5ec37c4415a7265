import type { StoredEntry } from '../core/entry.js'
import type { PortalError } from '../core/errors.js'

/**
 * Where a broker keeps its logs: every partition's entries and snapshots, and a small map of named values (`meta`) for
 * the broker's identity and the in-process coordination.
 *
 * An adapter MUST
 * - apply one `commit` as a whole or not at all, and apply commits in the order of their calls;
 * - resolve a durable commit only when its writes, and all earlier ones, survive the loss of power;
 * - resolve a commit that is not durable as soon as its writes survive the death of the process;
 * - after any error of a commit, checkpoint or fsync: reject that commit and every later one with STORAGE_FAILED
 *   (cause: the error), call the listeners of `onFailure` once, and never try the fsync again (invariant 13);
 * - check the seal and the header of every entry and page it reads, and reject with CORRUPT rather than return it;
 * - return bytes that nobody changes afterwards. It may keep the bytes it is given: callers never change them.
 *
 * An adapter MUST NOT cut, join, reorder or drop entries by itself, know what a payload means, or look at a clock.
 */
export interface Storage {
  /**
   * Applies `writes`, in order, as one transaction. Several commits may be under way; they settle in order.
   * Writes that do not fit what is stored (an index or page id that is taken, a page that is missing) are the caller's
   * mistake: INVALID_ARGUMENT, that commit changes nothing, and the storage has not failed.
   */
  commit(writes: readonly Write[], options: { readonly durable: boolean }): Promise<void>

  /** The names of the logs that hold anything. */
  logs(): Promise<string[]>

  /**
   * The entries of `log` with `from` ≤ index < `to`, rising, until `maxBytes` of payload are reached; never fewer than one if there is
   * one, however large. Trimmed or dropped entries are simply missing. Sees every commit that was called before.
   */
  read(log: string, range: ReadRange): Promise<StoredEntry[]>

  /** The last published snapshot of `log` with all pages that its header names; undefined if there is none. */
  readSnapshot(log: string): Promise<StoredSnapshot | undefined>

  /** The ids of all pages of `log`, named by a published snapshot or not, rising: ids are used once. */
  pageIds(log: string): Promise<number[]>

  /** All values of `meta` whose key starts with `prefix`. */
  readMeta(prefix: string): Promise<Map<string, Uint8Array>>

  /** Sizes, measured now. */
  space(): Promise<StorageSpace>

  /**
   * The disk is short of room: gives back to it, between commits, about so many of the `reusableBytes`. Resolves before that is done; each call replaces the
   * one before. It MUST NOT fail for want of room: where too little is left to do it safely, nothing is given back.
   */
  makeRoom(bytes: number): Promise<void>

  /** Calls `listener` once, when the storage has failed for good. */
  onFailure(listener: (error: PortalError) => void): void

  /** Waits for the commits under way, marks the storage as cleanly closed and releases it. May be called twice. */
  close(): Promise<void>
}

export interface ReadRange {
  readonly from: number
  /** Exclusive. @default no end */
  readonly to?: number | undefined
  /** Of payloads. */
  readonly maxBytes: number
  /** `messages` skips all other kinds. @default 'all' */
  readonly kinds?: 'all' | 'messages' | undefined
}

export type Write =
  /**
   * Each index is above every index that the log holds; any, if it is empty. Holes are allowed: a replica that installs
   * a snapshot appends only the batches that are still retained.
   */
  | { readonly type: 'append'; readonly log: string; readonly entries: readonly StoredEntry[] }
  /** Removes every entry with index ≥ `from`. */
  | { readonly type: 'truncate'; readonly log: string; readonly from: number }
  /** Removes every entry, of any kind, with index < `below`. */
  | { readonly type: 'drop-prefix'; readonly log: string; readonly below: number }
  /** Removes the entries that are no `messages`, with index < `below`: a snapshot covers them. */
  | { readonly type: 'drop-state'; readonly log: string; readonly below: number }
  /** Removes the `messages` entries with `from` ≤ index < `to`. */
  | { readonly type: 'delete-batches'; readonly log: string; readonly from: number; readonly to: number }
  /** Stores a page beside those of the published snapshot. `id` was never used in this log before. */
  | { readonly type: 'page'; readonly log: string; readonly id: number; readonly payload: Uint8Array }
  /** Publishes a snapshot: all pages it names were stored before. It replaces the one before. */
  | { readonly type: 'snapshot'; readonly log: string; readonly header: SnapshotHeader }
  /** Removes pages that no published header names any more. */
  | { readonly type: 'drop-pages'; readonly log: string; readonly ids: readonly number[] }
  /** Removes the log: entries, pages, header. */
  | { readonly type: 'delete-log'; readonly log: string }
  /** Sets a value of `meta`, or removes it. */
  | { readonly type: 'meta'; readonly key: string; readonly value: Uint8Array | undefined }

export interface SnapshotHeader {
  /** The state covers every entry with index < `index`. */
  readonly index: number
  /** The epoch of the entry before `index`. */
  readonly epoch: number
  /** The ids of its pages, in an order that means something to the writer. */
  readonly pages: readonly number[]
  /** Sealed, like an entry's payload. */
  readonly payload: Uint8Array
}

export interface StoredSnapshot {
  readonly header: SnapshotHeader
  /** Page payloads (sealed) in the order of `header.pages`. */
  readonly pages: readonly Uint8Array[]
  /** The ids of stored pages that the header does not name: left over from a crash; the writer may drop them. */
  readonly strayPages: readonly number[]
}

export interface StorageSpace {
  /** What the storage takes on the disk, in bytes, its write-ahead log included. */
  readonly usedBytes: number
  /** What the disk can still take, in bytes; Infinity where there is no disk. */
  readonly freeBytes: number
  /** Those of `usedBytes` that are free inside and filled before anything grows; told with a delay of some MiB of commits. */
  readonly reusableBytes: number
}
