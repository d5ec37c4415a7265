import { deepStrictEqual } from 'node:assert'
import type { StoredEntry } from '../../../src/core/entry.js'
import { seal } from '../../../src/core/seal.js'
import { portableCrc32 } from '../../../src/runtime/crc32.js'
import type { Storage, Write } from '../../../src/storage/storage.js'

export const LOG = 'orders/0'

/** What a child says. */
export type Line =
  | { readonly opened: number; readonly wasClean: boolean }
  | { readonly acknowledged: number }
  | { readonly refused: string }
  | { readonly failure: string }
  | { readonly closed: true }

/** Entry `index` of the workload: all of it follows from the number, so that a check needs no other source. */
export function logEntry(index: number): StoredEntry {
  const kind = index % 3 === 2 ? 'settle' : 'messages'
  const length = 64 + ((index * 7_919) % 24_000)
  const bytes = new Uint8Array(length)
  for (let at = 4; at < length; at++) bytes[at] = (index * 31 + at * 17) & 0xff
  return {
    index,
    epoch: 1,
    kind,
    version: 1,
    baseOffset: index,
    count: kind === 'messages' ? 1 : 0,
    appendTime: 1_700_000_000_000 + index,
    safeTime: 1_700_000_000_000 + index,
    payload: seal(bytes, portableCrc32),
  }
}

/** Commit number `index`: the entry of that index, and every 40th a new snapshot of two pages. */
export function append(index: number): Write[] {
  const writes: Write[] = [{ type: 'append', log: LOG, entries: [logEntry(index)] }]
  if (index % 40 !== 39) return writes
  const page = (id: number): Write => ({ type: 'page', log: LOG, id, payload: logEntry(id).payload })
  writes.push(page(index), page(index + 1))
  const header = { index, epoch: 1, pages: [index, index + 1], payload: logEntry(index).payload }
  writes.push({ type: 'snapshot', log: LOG, header })
  if (index > 40) writes.push({ type: 'drop-pages', log: LOG, ids: [index - 40, index - 39] })
  return writes
}

/** Throws unless the log is entries 0 to n - 1 as they were made, with n above `acknowledged`, and its snapshot fits. */
export async function checkLog(storage: Storage, acknowledged: number): Promise<number> {
  const entries = await storage.read(LOG, { from: 0, maxBytes: Number.MAX_SAFE_INTEGER })
  if (entries.length <= acknowledged) {
    throw new Error(`Entry ${acknowledged} was acknowledged; the log ends before ${entries.length}.`)
  }
  entries.forEach((entry, index) => {
    const wanted = logEntry(index)
    deepStrictEqual({ ...entry, payload: undefined }, { ...wanted, payload: undefined })
    if (Buffer.compare(entry.payload, wanted.payload) !== 0)
      throw new Error(`Entry ${index} has other bytes.`)
  })
  const snapshot = await storage.readSnapshot(LOG)
  const published = Math.floor(entries.length / 40) * 40 - 1
  deepStrictEqual(snapshot?.header.index, published < 0 ? undefined : published)
  deepStrictEqual(snapshot?.strayPages ?? [], [])
  return entries.length
}
