import { equality } from '../../core/conformance.js'
import type { EntryKind, StoredEntry } from '../../core/entry.js'
import { SEAL_BYTES, seal } from '../../core/seal.js'
import { portableCrc32 } from '../../runtime/crc32.js'
import type { Storage, Write } from '../storage.js'

export { rejection } from '../../core/conformance.js'

/** Opens the storage under test: an empty one at first; after a close, where there is a disk, the same again. */
export type OpenStorage = () => Promise<Storage>

export interface StorageConformanceCase {
  readonly name: string
  /** Rejects if the storage does not behave. Give every case a fresh place. */
  run(open: OpenStorage): Promise<void>
}

/** A case that has a storage while it runs. */
export function storageCase(name: string, body: (storage: Storage) => Promise<void>): StorageConformanceCase {
  return {
    name,
    async run(open) {
      const storage = await open()
      try {
        await body(storage)
      } finally {
        await storage.close()
      }
    },
  }
}

/** Sealed bytes: `length` of them, made from `mark`. */
export function sealed(mark: number, length = 16): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, SEAL_BYTES)).fill(mark & 0xff)
  return seal(bytes, portableCrc32)
}

/** An entry whose every number differs from every other's. */
export function entry(index: number, kind: EntryKind = 'messages', payload = sealed(index)): StoredEntry {
  return {
    index,
    epoch: 7 + index,
    kind,
    version: 1,
    baseOffset: 1_000 + index * 10,
    count: kind === 'messages' ? 10 : 0,
    appendTime: 1_700_000_000_000 + index,
    safeTime: 1_600_000_000_000 + index,
    payload,
  }
}

export function append(log: string, ...entries: StoredEntry[]): Write {
  return { type: 'append', log, entries }
}

export const ALL = { from: 0, maxBytes: Number.MAX_SAFE_INTEGER } as const

export async function indexes(storage: Storage, log: string): Promise<number[]> {
  return (await storage.read(log, ALL)).map(({ index }) => index)
}

export const equal = equality(show)

/** Plain text of values with bytes and maps in them, with keys in order: equal texts are equal values. */
function show(value: unknown): string {
  return JSON.stringify(value, (_key, part) => {
    if (part instanceof Uint8Array) return `bytes ${Array.from(part).join(' ')}`
    if (part instanceof Map) return { map: [...part].sort(([a], [b]) => (a < b ? -1 : 1)) }
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
