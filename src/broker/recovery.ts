import type { Crc32 } from '../core/crc32.js'
import { decodeBody } from '../core/entry-codec.js'
import { PartitionState } from '../core/partition-state.js'
import { decodeSnapshot, SnapshotBook } from '../core/snapshot.js'
import type { Storage } from '../storage/storage.js'

/** How much of the log is read at a time (bytes). */
const READ_BYTES = 4 << 20

export interface Recovered {
  /** Of all entries below the index up to which was asked for. */
  readonly state: PartitionState
  readonly book: SnapshotBook
  readonly strayPages: readonly number[]
  /** From here on no entry is missing in the log. */
  readonly logStart: number
}

/** What is recovered where nothing is stored. */
export function emptyLog(): Recovered {
  return { state: new PartitionState(), book: new SnapshotBook(), strayPages: [], logStart: 0 }
}

/** A partition's state: its last snapshot, and the entries after it, below `to`. */
export async function recover(
  storage: Storage,
  log: string,
  crc32: Crc32,
  to = Number.MAX_SAFE_INTEGER,
): Promise<Recovered> {
  const snapshot = await storage.readSnapshot(log)
  const { state, book } = snapshot
    ? decodeSnapshot(snapshot.header.payload, snapshot.pages, crc32)
    : emptyLog()
  const logStart = state.nextIndex
  while (state.nextIndex < to) {
    const entries = await storage.read(log, { from: state.nextIndex, to, maxBytes: READ_BYTES })
    if (entries.length === 0) break
    for (const entry of entries) state.apply(entry, decodeBody(entry, crc32))
  }
  // A crash may have come before the very first header: its pages are there, and nobody names them.
  const strayPages = snapshot?.strayPages ?? (await storage.pageIds(log))
  for (const id of strayPages) book.nextId = Math.max(book.nextId, id + 1)
  return { state, book, strayPages, logStart }
}
