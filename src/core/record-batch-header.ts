import { ByteReader, ByteWriter, SEAL_BYTES, seal, varintLength } from './bytes.js'
import type { Crc32 } from './crc32.js'
import { PortalError } from './errors.js'

/**
 * The record batch: what a `messages` entry holds, as the client cut it.
 *
 *     u32      seal: CRC-32 of the rest
 *     u8       format version
 *     u8       flags: 1 some record has an id, 2 some record has a key; the next three bits are kept for compression
 *     string   producer id; empty: not idempotent
 *     varint   producer epoch
 *     varint   sequence of the first record
 *     varint   count of records
 *     varint   sequences used up after the last record by records that were dropped as duplicates
 *     zigzag   base timestamp (ms since the Unix epoch): that of the first record, until the batch is cut anew
 *     records  each: varint length of the rest, u8 attributes, zigzag timestamp delta, [key], value, [headers], [id]
 */
export const BATCH_VERSION = 1
export const FLAG_IDS = 1
export const FLAG_KEYS = 2
const KNOWN_FLAGS = FLAG_IDS | FLAG_KEYS

/** A batch holds at most so many records, … */
export const BATCH_RECORDS = 100
/** … and so many bytes, unless it is one larger record. */
export const BATCH_BYTES = 32 * 1024

export interface RecordBatchHeader {
  readonly producerId: string
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly count: number
  readonly sequenceSkip: number
  /** Milliseconds since the Unix epoch. */
  readonly baseTimestamp: number
  readonly hasIds: boolean
  readonly hasKeys: boolean
  /** Where the first record begins. */
  readonly recordsStart: number
}

/**
 * Reads the header of a batch whose seal was checked. Throws CORRUPT, or UNSUPPORTED for a newer format. `count` is
 * checked against nothing but the size of `bytes`.
 */
export function readBatchHeader(bytes: Uint8Array): RecordBatchHeader {
  const reader = new ByteReader(bytes, SEAL_BYTES)
  const version = reader.u8()
  const flags = reader.u8()
  if (version > BATCH_VERSION || (flags & ~KNOWN_FLAGS) !== 0) {
    throw new PortalError(
      'UNSUPPORTED',
      `A record batch has format ${version}, flags ${flags}, which this build does not read. Install a newer portal-mq.`,
    )
  }
  if (version !== BATCH_VERSION) throw new PortalError('CORRUPT', `A record batch has format ${version}.`)
  const header = {
    producerId: reader.string(),
    producerEpoch: reader.varint(),
    baseSequence: reader.varint(),
    count: reader.varint(),
    sequenceSkip: reader.varint(),
    baseTimestamp: reader.zigzag(),
    hasIds: (flags & FLAG_IDS) !== 0,
    hasKeys: (flags & FLAG_KEYS) !== 0,
    recordsStart: reader.position,
  }
  // Whoever allocates by the count, or adds sequences up, is safe.
  const { count, baseSequence } = header
  if (count > reader.remaining || baseSequence + count + header.sequenceSkip > Number.MAX_SAFE_INTEGER) {
    throw new PortalError(
      'CORRUPT',
      `A record batch claims ${count} records, with sequences from ${baseSequence} on, in ${reader.remaining} bytes.`,
    )
  }
  return header
}

/** Puts a header before `records` (encoded, `fields.count` of them) and seals the whole. */
export function assembleBatch(
  fields: Omit<RecordBatchHeader, 'recordsStart'>,
  records: ByteWriter | Uint8Array,
  crc32: Crc32,
): Uint8Array {
  const { producerId, producerEpoch, baseSequence, count, sequenceSkip, baseTimestamp } = fields
  // Exactly right if the producer's id is ASCII, so that the records are copied once; anything else only costs a copy.
  const headerLength =
    SEAL_BYTES +
    2 +
    varintLength(producerId.length) +
    producerId.length +
    varintLength(producerEpoch) +
    varintLength(baseSequence) +
    varintLength(count) +
    varintLength(sequenceSkip) +
    varintLength(Math.abs(baseTimestamp) * 2)
  const writer = new ByteWriter(headerLength + records.length)
  writer.reserve(SEAL_BYTES)
  writer.u8(BATCH_VERSION)
  writer.u8((fields.hasIds ? FLAG_IDS : 0) | (fields.hasKeys ? FLAG_KEYS : 0))
  writer.string(producerId)
  writer.varint(producerEpoch)
  writer.varint(baseSequence)
  writer.varint(count)
  writer.varint(sequenceSkip)
  writer.zigzag(baseTimestamp)
  if (records instanceof ByteWriter) writer.append(records)
  else writer.raw(records)
  return seal(writer, crc32)
}
