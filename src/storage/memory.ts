import type { Crc32 } from '../core/crc32.js'
import { portableCrc32 } from '../runtime/crc32.js'
import { checkWrites, storageClosed } from './check-writes.js'
import { MemoryDatabase } from './memory-database.js'
import type { Storage } from './storage.js'
import { verifySeal } from './verify.js'

export interface MemoryStorageOptions {
  /** Checks seals on reading. @default the portable one, slower than zlib's */
  readonly crc32?: Crc32 | undefined
  /** What it holds at first; it is changed in place. @default nothing */
  readonly database?: MemoryDatabase | undefined
}

/** A storage that keeps nothing once it is closed: `directory: ':memory:'`, and tests. It never fails. */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  const crc32 = options.crc32 ?? portableCrc32
  const database = options.database ?? new MemoryDatabase()
  let closed = false

  function open(): MemoryDatabase {
    if (closed) throw storageClosed()
    return database
  }

  return {
    async commit(writes) {
      checkWrites(writes)
      open().apply(writes)
    },
    async logs() {
      return open().logs()
    },
    async read(log, range) {
      const entries = open().read(log, range)
      for (const { index, payload } of entries) verifySeal(log, `entry ${index}`, payload, crc32)
      return entries
    },
    async readSnapshot(log) {
      const snapshot = open().readSnapshot(log)
      if (snapshot === undefined) return undefined
      const { header, pages } = snapshot
      verifySeal(log, 'the snapshot header', header.payload, crc32)
      pages.forEach((page, at) => verifySeal(log, `page ${header.pages[at]}`, page, crc32))
      return snapshot
    },
    async pageIds(log) {
      return open().pageIds(log)
    },
    async readMeta(prefix) {
      return open().readMeta(prefix)
    },
    async space() {
      return { usedBytes: open().usedBytes(), freeBytes: Number.POSITIVE_INFINITY, reusableBytes: 0 }
    },
    async makeRoom() {
      open()
    },
    onFailure() {},
    async close() {
      closed = true
    },
  }
}
