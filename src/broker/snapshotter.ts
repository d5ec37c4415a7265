import type { Crc32 } from '../core/crc32.js'
import type { StoredEntry } from '../core/entry.js'
import type { PartitionState } from '../core/partition-state.js'
import { encodeSnapshot, type SnapshotBook } from '../core/snapshot.js'
import type { Write } from '../storage/storage.js'
import type { Commitment, Cut } from './cut.js'

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
  readonly #commitment: Pick<Commitment, 'committedIndex' | 'neededFrom'>
  /** From here on no entry is missing: below, some were dropped because a snapshot covers them. */
  logStart: number
  #stateBytes = 0
  #messageBytes = 0
  #requested = false
  #slices: Slice[] = []

  constructor(
    log: string,
    state: PartitionState,
    book: SnapshotBook,
    strayPages: readonly number[],
    crc32: Crc32,
    commitment: Pick<Commitment, 'committedIndex' | 'neededFrom'>,
    logStart: number,
  ) {
    this.#log = log
    this.#state = state
    this.#book = book
    this.#crc32 = crc32
    this.#commitment = commitment
    this.logStart = logStart
    if (strayPages.length > 0)
      this.#slices.push({ write: { type: 'drop-pages', log, ids: strayPages }, bytes: 0 })
    // What was trimmed after the last snapshot is needed to recover from it: the next one covers the trim, then it goes.
    this.#requested = state.toDelete.length > 0
  }

  /** Whether something is left that can be written now. */
  get pending(): boolean {
    const [next] = this.#slices
    return next ? this.#mayWrite(next) : this.#requested
  }

  /** Writes what is left of a snapshot that is under way: another will go on with the log. */
  finish(group: Cut): void {
    for (const slice of this.#slices.splice(0)) this.#write(group, slice)
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
  cut(group: Cut): void {
    if (this.#slices.length === 0 && this.isDue) this.#begin()
    let bytes = 0
    let taken = 0
    while (taken < this.#slices.length && bytes < SLICE_BYTES) {
      const slice = this.#slices[taken]!
      if (!this.#mayWrite(slice)) break
      taken++
      this.#write(group, slice)
      bytes += slice.bytes
    }
    if (taken > 0) this.#slices = this.#slices.slice(taken)
  }

  /** A header waits until all that it covers is committed: what is not may be truncated yet. */
  #mayWrite({ write }: Slice): boolean {
    return write.type !== 'snapshot' || write.header.index <= this.#commitment.committedIndex
  }

  #write(group: Cut, { write, bytes }: Slice): void {
    if (write.type === 'drop-state') this.logStart = Math.max(this.logStart, write.below)
    else if (write.type === 'delete-batches') this.logStart = Math.max(this.logStart, write.to)
    group.add(write, bytes)
  }

  get isDue(): boolean {
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
    const below = Math.min(index, this.#commitment.neededFrom)
    this.#slices.push({ write: { type: 'drop-state', log, below }, bytes: 0 })
    this.#pushDeletes(below)
  }

  /** The header names what is to be deleted; done twice after a crash, it does no harm. What a follower still needs is kept for the next. */
  #pushDeletes(below: number): void {
    const ranges = this.#state.toDelete
    const kept: number[] = []
    for (let at = 0; at < ranges.length; at += 2) {
      if (ranges[at + 1]! > below) {
        kept.push(ranges[at]!, ranges[at + 1]!)
        continue
      }
      const write: Write = { type: 'delete-batches', log: this.#log, from: ranges[at]!, to: ranges[at + 1]! }
      this.#slices.push({ write, bytes: SLICE_BYTES / 4 })
    }
    this.#state.toDelete = kept
  }
}

interface Slice {
  readonly write: Write
  readonly bytes: number
}
