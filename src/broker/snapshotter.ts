import type { Crc32 } from '../core/crc32.js'
import type { StoredEntry } from '../core/entry.js'
import type { PartitionState } from '../core/partition-state.js'
import { encodeSnapshot, type SnapshotBook } from '../core/snapshot.js'
import type { Write } from '../storage/storage.js'
import type { CommitGroup } from './committer.js'

/** A snapshot is due after so many bytes of state entries, or of messages: what a restart replays (bytes). */
const STATE_BYTES = 2 << 20
const MESSAGE_BYTES = 64 << 20
/** How much of a snapshot goes into one commit (bytes): other work is not kept waiting. */
const SLICE_BYTES = 256 << 10

/**
 * Writes snapshots of one partition, in slices between its other writes: new pages, then the header, then what the header makes
 * superfluous is removed: older pages, state entries that it covers, batches that were trimmed.
 */
export class Snapshotter {
  readonly #log: string
  readonly #state: PartitionState
  readonly #book: SnapshotBook
  readonly #crc32: Crc32
  #stateBytes = 0
  #messageBytes = 0
  #requested = false
  #slices: { readonly write: Write; readonly bytes: number }[] = []

  constructor(
    log: string,
    state: PartitionState,
    book: SnapshotBook,
    strayPages: readonly number[],
    crc32: Crc32,
  ) {
    this.#log = log
    this.#state = state
    this.#book = book
    this.#crc32 = crc32
    if (strayPages.length > 0)
      this.#slices.push({ write: { type: 'drop-pages', log, ids: strayPages }, bytes: 0 })
    // What was trimmed after the last snapshot is needed to recover from it: the next one covers the trim, then it goes.
    this.#requested = state.toDelete.length > 0
  }

  /** Whether something is left to write. */
  get pending(): boolean {
    return this.#slices.length > 0 || this.#requested
  }

  request(): void {
    if (this.#stateBytes > 0 || this.#messageBytes > 0) this.#requested = true
  }

  appended(entry: StoredEntry): void {
    // What a replay costs per entry counts too: many small batches are slower than their bytes tell.
    if (entry.kind === 'messages') this.#messageBytes += entry.payload.length + 512
    else this.#stateBytes += entry.payload.length + 64
  }

  /** Adds a slice to the group; every entry so far is in it, or in one before. */
  cut(group: CommitGroup): void {
    if (this.#slices.length === 0 && this.#isDue()) this.#begin()
    let bytes = 0
    let taken = 0
    while (taken < this.#slices.length && bytes < SLICE_BYTES) {
      const slice = this.#slices[taken++]!
      group.add(slice.write, slice.bytes)
      bytes += slice.bytes
    }
    if (taken > 0) this.#slices = this.#slices.slice(taken)
  }

  #isDue(): boolean {
    return this.#requested || this.#stateBytes >= STATE_BYTES || this.#messageBytes >= MESSAGE_BYTES
  }

  #begin(): void {
    this.#requested = false
    this.#stateBytes = 0
    this.#messageBytes = 0
    const log = this.#log
    const snapshot = encodeSnapshot(this.#state, this.#book, this.#crc32)
    for (const { id, payload } of snapshot.newPages) {
      this.#slices.push({ write: { type: 'page', log, id, payload }, bytes: payload.length })
    }
    const { index, epoch, pages, payload } = snapshot
    this.#slices.push({
      write: { type: 'snapshot', log, header: { index, epoch, pages, payload } },
      bytes: payload.length,
    })
    if (snapshot.droppedPages.length > 0) {
      this.#slices.push({ write: { type: 'drop-pages', log, ids: snapshot.droppedPages }, bytes: 0 })
    }
    this.#slices.push({ write: { type: 'drop-state', log, below: index }, bytes: 0 })
    this.#pushDeletes()
  }

  /** The header names what is to be deleted; done twice after a crash, it does no harm. */
  #pushDeletes(): void {
    const ranges = this.#state.toDelete
    for (let at = 0; at < ranges.length; at += 2) {
      const write: Write = { type: 'delete-batches', log: this.#log, from: ranges[at]!, to: ranges[at + 1]! }
      this.#slices.push({ write, bytes: SLICE_BYTES / 4 })
    }
    this.#state.toDelete = []
  }
}
