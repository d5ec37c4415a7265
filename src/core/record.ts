import type { ByteWriter } from './bytes.js'
import { PortalError } from './errors.js'

/** How the value of a message is to be read. It travels with the message. */
export const CONTENT_TYPES = ['json', 'text', 'raw'] as const
export type ContentType = (typeof CONTENT_TYPES)[number]
const CONTENT_CODES: Record<ContentType, number> = { json: 0, text: 1, raw: 2 }

/** The bits of a record's attributes. The lowest two are the index of its content type. */
export const ATTRIBUTE_CONTENT = 3
export const ATTRIBUTE_KEY = 4
export const ATTRIBUTE_KEY_TEXT = 8
export const ATTRIBUTE_HEADERS = 16
export const ATTRIBUTE_ID = 32
export const KNOWN_ATTRIBUTES = 63

/** Milliseconds either side of the Unix epoch (the year 144683): the difference of any two is still exact. */
export const MAX_TIMESTAMP = 2 ** 52 - 1

/** A message, ready to be put into a batch. */
export interface RecordInput {
  readonly contentType: ContentType
  /** Text is encoded as UTF-8. */
  readonly value: string | Uint8Array
  readonly key?: string | Uint8Array | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Whole milliseconds since the Unix epoch. */
  readonly timestamp: number
  readonly id?: string | undefined
}

/**
 * Writes `record` with its length before it, and returns its attributes. Throws INVALID_ARGUMENT if the timestamp is not
 * a whole number of milliseconds.
 */
export function writeRecord(writer: ByteWriter, record: RecordInput, baseTimestamp: number): number {
  const { value, key, headers, timestamp, id } = record
  checkTimestamp(timestamp)
  let attributes = CONTENT_CODES[record.contentType]
  if (key !== undefined)
    attributes |= typeof key === 'string' ? ATTRIBUTE_KEY | ATTRIBUTE_KEY_TEXT : ATTRIBUTE_KEY
  const names = headers === undefined ? undefined : Object.keys(headers)
  if (names !== undefined && names.length > 0) attributes |= ATTRIBUTE_HEADERS
  if (id !== undefined) attributes |= ATTRIBUTE_ID

  const estimate = value.length + (key?.length ?? 0) + (id?.length ?? 0) + 4
  const start = writer.beginBlock(estimate)
  writer.u8(attributes)
  writer.zigzag(timestamp - baseTimestamp)
  if (key !== undefined) writeContent(writer, key)
  writeContent(writer, value)
  if (attributes & ATTRIBUTE_HEADERS) writeHeaders(writer, names!, headers!)
  if (id !== undefined) writer.string(id)
  writer.endBlock(start, estimate)
  return attributes
}

function writeContent(writer: ByteWriter, content: string | Uint8Array): void {
  if (typeof content === 'string') writer.string(content)
  else writer.bytes(content)
}

function writeHeaders(
  writer: ByteWriter,
  names: readonly string[],
  headers: Readonly<Record<string, string>>,
): void {
  writer.varint(names.length)
  for (const name of names) {
    writer.string(name)
    writer.string(headers[name]!)
  }
}

function checkTimestamp(timestamp: number): void {
  if (Number.isInteger(timestamp) && timestamp <= MAX_TIMESTAMP && timestamp >= -MAX_TIMESTAMP) return
  throw new PortalError(
    'INVALID_ARGUMENT',
    `A timestamp must be whole milliseconds since the Unix epoch, at most 2^52; it is ${timestamp}.`,
  )
}
