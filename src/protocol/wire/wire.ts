import { ByteReader, ByteWriter } from '../../core/bytes.js'
import { type ErrorCode, PortalError } from '../../core/errors.js'

/**
 * The binary form of the calls that carry batches. A message is its writer's version, then fields; whatever stands in a list
 * is a block with its length before it. New fields are only ever appended, to the message or to a block: an older reader
 * leaves them unread, a newer one finds them missing and takes their defaults. So each side may be of another version.
 */
export const WIRE_VERSION = 1

/** The content type of that form. */
export const WIRE_TYPE = 'application/vnd.portal-mq'

/** A writer that has written the version. `capacity`: about how many bytes will come; `buffer`: where they go. */
export function beginMessage(capacity?: number, buffer?: Uint8Array): ByteWriter {
  const writer = new ByteWriter(capacity, buffer)
  writer.u8(WIRE_VERSION)
  return writer
}

/** A reader after the version. Throws CORRUPT for what no version begins with. */
export function openMessage(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader(bytes)
  if (reader.u8() < 1) throw new PortalError('CORRUPT', 'This is no message of portal-mq.')
  return reader
}

/** A list of blocks. `estimate`: about how long each will be; a wrong one only costs time. */
export function writeList<T>(
  writer: ByteWriter,
  items: readonly T[],
  estimate: (item: T) => number,
  write: (item: T) => void,
): void {
  writer.varint(items.length)
  for (const item of items) {
    const guess = estimate(item)
    const start = writer.beginBlock(guess)
    write(item)
    writer.endBlock(start, guess)
  }
}

/** A list of blocks; what a block holds beyond what `read` reads is left. */
export function readList<T>(bytes: Uint8Array, reader: ByteReader, read: (block: ByteReader) => T): T[] {
  const list: T[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const length = reader.varint()
    const start = reader.position
    reader.skip(length)
    list.push(read(new ByteReader(bytes, start, start + length)))
  }
  return list
}

/** The same, but CORRUPT if there are more than `most`: a block of a few bytes can become hundreds in memory. */
export function readListUpTo<T>(
  most: number,
  bytes: Uint8Array,
  reader: ByteReader,
  read: (block: ByteReader) => T,
): T[] {
  let count = 0
  return readList(bytes, reader, (block) => {
    if (++count > most)
      throw new PortalError('CORRUPT', `A list has more blocks than are taken at once: ${most}.`)
    return read(block)
  })
}

/** A number that may be missing; Infinity stands for missing, too. */
export function writeOptional(writer: ByteWriter, value: number | undefined): void {
  writer.varint(value === undefined || value === Number.POSITIVE_INFINITY ? 0 : Math.ceil(value) + 1)
}

export function readOptional(reader: ByteReader): number | undefined {
  const value = reader.varint()
  return value === 0 ? undefined : value - 1
}

export function writeError(writer: ByteWriter, { code, message, retriable }: PortalError): void {
  writer.string(code)
  writer.string(message)
  writer.u8(retriable ? 1 : 0)
}

/** A code that this build does not know is passed on as it is: `retriable` says what may be done. */
export function readError(reader: ByteReader): PortalError {
  const code = reader.string() as ErrorCode
  return new PortalError(code, reader.string(), { retriable: reader.u8() === 1 })
}
