import type { Crc32 } from '../core/crc32.js'
import { decodeBody } from '../core/entry-codec.js'
import { PartitionState } from '../core/partition-state.js'
import { decodeSnapshot, SnapshotBook } from '../core/snapshot.js'
import type { Storage } from '../storage/storage.js'

/** How much of the log is read at a time (bytes). */
const READ_BYTES = 4 << 20

export interface Recovered {
  readonly state: PartitionState
  readonly book: SnapshotBook
  readonly strayPages: readonly number[]
}

/** A partition's state: its last snapshot, and the entries after it. */
export async function recover(storage: Storage, log: string, crc32: Crc32): Promise<Recovered> {
  const snapshot = await storage.readSnapshot(log)
  const { state, book } = snapshot
    ? decodeSnapshot(snapshot.header.payload, snapshot.pages, crc32)
    : { state: new PartitionState(), book: new SnapshotBook() }
  for (;;) {
    const entries = await storage.read(log, { from: state.nextIndex, maxBytes: READ_BYTES })
    if (entries.length === 0) break
    for (const entry of entries) state.apply(entry, decodeBody(entry, crc32))
  }
  const strayPages = snapshot?.strayPages ?? []
  for (const id of strayPages) book.nextId = Math.max(book.nextId, id + 1)
  return { state, book, strayPages }
}
