import { ENTRY_KINDS, type StoredEntry } from '../../core/entry.js'

/** A row of either table, as the reader selects it. */
export type EntryRow = readonly [
  kind: number,
  index: number,
  epoch: number,
  version: number,
  baseOffset: number,
  count: number,
  appendTime: number,
  safeTime: number,
  crc: number,
  payload: Buffer,
]

/** Places in a row. */
export const INDEX = 1
export const PAYLOAD = 9

/** A row's numbers without its checksum, and the length of its payload. */
const ROW_NUMBERS = 9

/** Entries as one ArrayBuffer that is handed over: the count, the numbers of each as doubles, then their payloads. */
export function packEntries(rows: readonly EntryRow[]): ArrayBuffer {
  const numberCount = 1 + rows.length * ROW_NUMBERS
  let byteAt = numberCount * Float64Array.BYTES_PER_ELEMENT
  let size = byteAt
  for (const row of rows) size += row[PAYLOAD].length
  const buffer = new ArrayBuffer(size)
  const numbers = new Float64Array(buffer, 0, numberCount)
  const bytes = new Uint8Array(buffer)
  numbers[0] = rows.length
  let at = 1
  for (const row of rows) {
    for (let column = 0; column < ROW_NUMBERS - 1; column++) numbers[at++] = row[column] as number
    const payload = row[PAYLOAD]
    numbers[at++] = payload.length
    bytes.set(payload, byteAt)
    byteAt += payload.length
  }
  return buffer
}

export function unpackEntries(buffer: ArrayBuffer): StoredEntry[] {
  const count = new Float64Array(buffer, 0, 1)[0]!
  const numbers = new Float64Array(buffer, 0, 1 + count * ROW_NUMBERS)
  let byteAt = numbers.byteLength
  const entries: StoredEntry[] = []
  for (let at = 1; at < numbers.length; at += ROW_NUMBERS) {
    const length = numbers[at + 8]!
    entries.push({
      kind: ENTRY_KINDS[numbers[at]!]!,
      index: numbers[at + 1]!,
      epoch: numbers[at + 2]!,
      version: numbers[at + 3]!,
      baseOffset: numbers[at + 4]!,
      count: numbers[at + 5]!,
      appendTime: numbers[at + 6]!,
      safeTime: numbers[at + 7]!,
      payload: new Uint8Array(buffer, byteAt, length),
    })
    byteAt += length
  }
  return entries
}
