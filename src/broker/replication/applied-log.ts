import type { StoredEntry } from '../../core/entry.js'
import { decodeBody } from '../../core/entry-codec.js'
import { PortalError } from '../../core/errors.js'
import type { Crc32 } from '../../runtime/runtime.js'
import type { Storage, Write } from '../../storage/storage.js'
import type { CommitGroup } from '../committer.js'
import type { Recovered } from '../recovery.js'
import { Snapshotter } from '../snapshotter.js'

/** How much of the log is read at a time, in bytes. */
export const READ_BYTES = 4 << 20

/** How far a follower's log is applied: the state that its committed entries make, the entries above it that are in memory, and its snapshots. */
export class AppliedLog {
  readonly #log: string
  readonly #storage: Storage
  readonly #crc32: Crc32
  readonly #recovered: Recovered
  readonly #snapshotter: Snapshotter
  /** Entries that are not applied yet, as far as they are in memory: the last ones of the log. */
  readonly #tail: StoredEntry[] = []

  constructor(log: string, storage: Storage, crc32: Crc32, recovered: Recovered) {
    const { state, book, strayPages, logStart } = recovered
    this.#log = log
    this.#storage = storage
    this.#crc32 = crc32
    this.#recovered = recovered
    // It covers only what is applied, and that is committed.
    const all = { committedIndex: Number.POSITIVE_INFINITY, neededFrom: Number.POSITIVE_INFINITY }
    this.#snapshotter = new Snapshotter(log, state, book, strayPages, crc32, all, logStart)
  }

  /** Of messages. */
  get storedBytes(): number {
    return this.#recovered.state.directory.bytes
  }

  /** Everything that is applied, for a leader that goes on from it. */
  get recovered(): Recovered {
    return { ...this.#recovered, strayPages: [], logStart: this.#snapshotter.logStart }
  }

  get isSnapshotDue(): boolean {
    return this.#snapshotter.isDue
  }

  /** They are stored: they can be applied from memory. */
  appended(entries: readonly StoredEntry[]): void {
    this.#tail.push(...entries)
  }

  /** What is stored from there on, and was not applied, is gone. */
  truncated(from: number): void {
    while ((this.#tail.at(-1)?.index ?? -1) >= from) this.#tail.pop()
  }

  async applyBelow(to: number): Promise<void> {
    const { state } = this.#recovered
    while (state.nextIndex < to) {
      const entries = await this.#entriesBelow(to)
      if (entries.length === 0)
        throw new PortalError(
          'CORRUPT',
          `Entry ${state.nextIndex} of ${this.#log} is missing from the storage.`,
        )
      for (const entry of entries) {
        state.apply(entry, decodeBody(entry, this.#crc32))
        this.#snapshotter.appended(entry)
        // What was trimmed is given back after the next one.
        if (entry.kind === 'trim') this.#snapshotter.request()
      }
    }
  }

  /** Writes the next piece of a snapshot, if one is due. Says whether there is more of it. */
  cutSnapshot(group: CommitGroup): boolean {
    this.#snapshotter.cut(group)
    return this.#snapshotter.pending
  }

  /** What ends a snapshot that has begun. */
  endSnapshot(): Write[] {
    const writes: Write[] = []
    this.#snapshotter.finish({
      isFull: false,
      bytes: 0,
      durable: true,
      add: (write) => void writes.push(write),
      onCommitted: () => {},
      onStored: () => {},
    })
    return writes
  }

  /** The entries to apply next: from memory, or, after a start, from the storage. */
  async #entriesBelow(to: number): Promise<readonly StoredEntry[]> {
    const { nextIndex } = this.#recovered.state
    const first = this.#tail[0]
    if (first === undefined || first.index > nextIndex) {
      const end = Math.min(to, first?.index ?? to)
      return this.#storage.read(this.#log, { from: nextIndex, to: end, maxBytes: READ_BYTES })
    }
    return this.#tail.splice(0, to - first.index)
  }
}
