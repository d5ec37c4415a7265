import { ByteReader, expectEnd, unseal } from './bytes.js'
import type { Crc32 } from './crc32.js'
import { PortalError } from './errors.js'
import {
  ATTRIBUTE_CONTENT,
  ATTRIBUTE_HEADERS,
  ATTRIBUTE_ID,
  ATTRIBUTE_KEY,
  ATTRIBUTE_KEY_TEXT,
  CONTENT_TYPES,
  KNOWN_ATTRIBUTES,
  MAX_TIMESTAMP,
} from './record.js'
import { type RecordBatchHeader, readBatchHeader } from './record-batch-header.js'

/** For each value of the attributes, whether it means something. */
const IS_VALID = Array.from({ length: 256 }, (_, attributes) => isValid(attributes))

/**
 * Checks every byte of a batch that came from outside: seal, lengths, attributes, count, timestamps. Throws CORRUPT,
 * UNSUPPORTED, or MESSAGE_TOO_LARGE when a record passes `maxMessageBytes`.
 */
export function verifyBatch(
  bytes: Uint8Array,
  crc32: Crc32,
  limits: { readonly maxMessageBytes: number },
): RecordBatchHeader {
  unseal(bytes, crc32)
  const header = readBatchHeader(bytes)
  const reader = new ByteReader(bytes, header.recordsStart)
  checkTimestamp(header.baseTimestamp)
  let present = 0
  for (let left = header.count; left > 0; left--) {
    const length = reader.varint()
    if (length > limits.maxMessageBytes) throw messageTooLarge(length, limits.maxMessageBytes)
    const end = reader.position + length
    const attributes = reader.u8()
    if (!IS_VALID[attributes]) throw corrupt(`A record has attributes ${attributes}, which mean nothing.`)
    present |= attributes
    checkTimestamp(header.baseTimestamp + reader.zigzag())
    if (attributes & ATTRIBUTE_KEY) reader.skip(reader.varint())
    reader.skip(reader.varint())
    // Every string takes a byte at least, so that the reader ends what a false count began.
    if (attributes & ATTRIBUTE_HEADERS) {
      for (let strings = reader.varint() * 2; strings > 0; strings--) reader.skip(reader.varint())
    }
    if (attributes & ATTRIBUTE_ID) reader.skip(reader.varint())
    if (reader.position !== end) throw corrupt('A record is not as long as it says.')
  }
  expectEnd(reader)
  const hasIds = (present & ATTRIBUTE_ID) !== 0
  const hasKeys = (present & ATTRIBUTE_KEY) !== 0
  if (hasIds !== header.hasIds || hasKeys !== header.hasKeys) {
    throw corrupt("A record batch's flags do not fit its records.")
  }
  return header
}

function isValid(attributes: number): boolean {
  const isKnown = (attributes & ~KNOWN_ATTRIBUTES) === 0
  const hasContentType = (attributes & ATTRIBUTE_CONTENT) < CONTENT_TYPES.length
  const keyFits = (attributes & ATTRIBUTE_KEY) !== 0 || (attributes & ATTRIBUTE_KEY_TEXT) === 0
  return isKnown && hasContentType && keyFits
}

function checkTimestamp(timestamp: number): void {
  if (timestamp > MAX_TIMESTAMP || timestamp < -MAX_TIMESTAMP)
    throw corrupt(`A record has the timestamp ${timestamp}.`)
}

function corrupt(message: string): PortalError<'CORRUPT'> {
  return new PortalError('CORRUPT', message)
}

function messageTooLarge(length: number, limit: number): PortalError<'MESSAGE_TOO_LARGE'> {
  return new PortalError(
    'MESSAGE_TOO_LARGE',
    `A message takes ${length} bytes, the topic's limit is ${limit}. Send less, or raise maxMessageBytes with admin.updateTopic.`,
  )
}
