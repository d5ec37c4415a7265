import type { Database } from './binding.js'
import type { CheckpointTime } from './checkpoints.js'
import type { Deletions } from './deletions.js'

/** One slice takes about this long, in milliseconds, and its checkpoint as much again: what a commit may wait for. */
const SLICE_TIME = 2

/** Free pages below this are kept for what comes next: a queue refills what it empties. */
const KEPT_FREE_BYTES = 4 * 2 ** 20

/** And this part of the file. */
const KEPT_FREE_PART = 0.25

/** How much one statement gives back: it may have to move as much. */
const VACUUM_BYTES = 256 * 1024

/**
 * How much one slice gives back. On a busy disk, cutting tens of megabytes off a file at once took ext4 up to 100 ms;
 * 8 MiB with their checkpoint 10 to 15 ms, with outliers of 57.
 */
const SLICE_BYTES = 4 * 2 ** 20

/** While the disk is short: a slice may write three times as much to the log, for what it moves and what points there. */
const SHORT_SLICE_BYTES = 2 ** 20

/** Removes what was deleted and gives the file's free pages back to the file system, in slices between commits. */
export class SpaceReclaimer {
  readonly #db: Database
  readonly #deletions: Deletions
  readonly #pageSize: number
  /** Whether, when it was last looked at, more pages were free than are kept. */
  #vacuumDue = false
  /** What is to be given back of what is kept, too (bytes): the disk is short of room. */
  #asked = 0

  constructor(db: Database, deletions: Deletions) {
    this.#db = db
    this.#deletions = deletions
    this.#pageSize = this.#count('page_size')
  }

  get due(): boolean {
    if (this.#deletions.takeRemoved()) this.#vacuumDue = true
    return this.#deletions.pending || this.#vacuumDue
  }

  get freeBytes(): number {
    return this.#count('freelist_count') * this.#pageSize
  }

  makeRoom(bytes: number): void {
    this.#asked = bytes
    this.#vacuumDue = true
  }

  /**
   * To be called in a transaction. The file becomes shorter with the checkpoint that has to follow. While the disk is short the log begins anew with each: it
   * needs room, too.
   */
  slice(): CheckpointTime {
    const end = performance.now() + SLICE_TIME
    const isShort = this.#asked > 0
    const most = isShort ? SHORT_SLICE_BYTES : SLICE_BYTES
    let bytes = 0
    do {
      if (this.#deletions.pending) this.#deletions.slice()
      else bytes += this.#vacuum()
    } while (this.due && bytes < most && performance.now() < end)
    if (bytes === 0) return 'due'
    return isShort ? 'restart' : 'now'
  }

  #vacuum(): number {
    const free = this.#count('freelist_count')
    const kept = Math.max(KEPT_FREE_BYTES / this.#pageSize, this.#count('page_count') * KEPT_FREE_PART)
    this.#vacuumDue = free > kept || (free > 0 && this.#asked > 0)
    if (!this.#vacuumDue) {
      this.#asked = 0
      return 0
    }
    this.#db.pragma(`incremental_vacuum(${VACUUM_BYTES / this.#pageSize})`)
    const gaveBack = (free - this.#count('freelist_count')) * this.#pageSize
    // A database that keeps no track of what points where gives nothing back; asking again would never end.
    this.#vacuumDue = gaveBack > 0
    this.#asked = gaveBack > 0 ? Math.max(0, this.#asked - gaveBack) : 0
    return gaveBack
  }

  #count(name: 'freelist_count' | 'page_count' | 'page_size'): number {
    return this.#db.pragma(name, { simple: true }) as number
  }
}
