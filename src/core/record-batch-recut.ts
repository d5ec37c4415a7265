import { ByteReader } from './bytes.js'
import type { Crc32 } from './crc32.js'
import { ATTRIBUTE_ID, ATTRIBUTE_KEY } from './record.js'
import { assembleBatch, readBatchHeader } from './record-batch-header.js'

/**
 * The records [from, to) of a batch as a batch of their own, byte for byte, under their own sequences, with
 * `sequenceSkip` more used up after them. Empty (from = to), it carries only the skip. Throws CORRUPT if the batch is
 * damaged; `from` ≤ `to` ≤ its count.
 */
export function recutBatch(
  bytes: Uint8Array,
  from: number,
  to: number,
  sequenceSkip: number,
  crc32: Crc32,
): Uint8Array {
  const header = readBatchHeader(bytes)
  const reader = new ByteReader(bytes, header.recordsStart)
  skipRecords(reader, from)
  const start = reader.position
  const attributes = skipRecords(reader, to - from)
  const fields = {
    ...header,
    baseSequence: header.baseSequence + from,
    count: to - from,
    sequenceSkip,
    hasIds: (attributes & ATTRIBUTE_ID) !== 0,
    hasKeys: (attributes & ATTRIBUTE_KEY) !== 0,
  }
  return assembleBatch(fields, bytes.subarray(start, reader.position), crc32)
}

/** Moves past `count` records and returns their attributes together. */
function skipRecords(reader: ByteReader, count: number): number {
  let attributes = 0
  for (let left = count; left > 0; left--) {
    const record = reader.bytes()
    attributes |= record[0] ?? 0
  }
  return attributes
}
