import { ByteReader } from './bytes.js'
import {
  ATTRIBUTE_CONTENT,
  ATTRIBUTE_HEADERS,
  ATTRIBUTE_ID,
  ATTRIBUTE_KEY,
  ATTRIBUTE_KEY_TEXT,
  CONTENT_TYPES,
  type ContentType,
  type RecordInput,
} from './record.js'
import { type RecordBatchHeader, readBatchHeader } from './record-batch-header.js'

/**
 * A batch opened for reading: finds its records in one pass, decodes a field only when it is asked for. The batch was
 * verified where it was stored; damage since then throws CORRUPT. Records count from 0 to `count` - 1.
 */
export class RecordBatchView {
  readonly header: RecordBatchHeader
  readonly #bytes: Uint8Array
  readonly #reader: ByteReader
  /** Where each record's attributes stand. */
  #starts: number[] | undefined

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#reader = new ByteReader(bytes)
    this.header = readBatchHeader(bytes)
  }

  get count(): number {
    return this.header.count
  }

  contentType(at: number): ContentType {
    return CONTENT_TYPES[this.attributes(at) & ATTRIBUTE_CONTENT] ?? 'raw'
  }

  /** Milliseconds since the Unix epoch. */
  timestamp(at: number): number {
    this.#seek(at)
    return this.header.baseTimestamp + this.#reader.zigzag()
  }

  /** As it was sent, text or bytes (a view on the batch); undefined if it was sent without. */
  key(at: number): string | Uint8Array | undefined {
    const attributes = this.#seek(at)
    if (!(attributes & ATTRIBUTE_KEY)) return undefined
    this.#reader.zigzag()
    return attributes & ATTRIBUTE_KEY_TEXT ? this.#reader.string() : this.#reader.bytes()
  }

  /** The value's bytes, as a view on the batch. */
  valueBytes(at: number): Uint8Array {
    return this.valueReader(at).bytes()
  }

  /** The value's bytes as UTF-8. */
  valueText(at: number): string {
    return this.valueReader(at).string()
  }

  /** A new object each time; empty if it was sent without. */
  headers(at: number): Record<string, string> {
    const headers: Record<string, string> = {}
    if (!(this.attributes(at) & ATTRIBUTE_HEADERS)) return headers
    const reader = this.valueReader(at)
    reader.skip(reader.varint())
    for (let left = reader.varint(); left > 0; left--) setHeader(headers, reader.string(), reader.string())
    return headers
  }

  attributes(at: number): number {
    return this.#bytes[this.#start(at)]!
  }

  /** Places the reader after the attributes of the record and returns them. */
  #seek(at: number): number {
    const start = this.#start(at)
    this.#reader.seek(start + 1)
    return this.#bytes[start]!
  }

  /** The view's reader, where the value begins with its length. What follows it can be read until another method is called. */
  valueReader(at: number): ByteReader {
    const attributes = this.#seek(at)
    this.#reader.zigzag()
    if (attributes & ATTRIBUTE_KEY) this.#reader.skip(this.#reader.varint())
    return this.#reader
  }

  #start(at: number): number {
    this.#starts ??= recordStarts(this.#bytes, this.header)
    const start = this.#starts[at]
    if (start === undefined) throw new RangeError(`A batch of ${this.count} records has none at ${at}.`)
    return start
  }
}

/** Where the attributes of each record stand. */
function recordStarts(bytes: Uint8Array, header: RecordBatchHeader): number[] {
  // Cheaper than a typed array for so few.
  const starts: number[] = []
  const reader = new ByteReader(bytes, header.recordsStart)
  for (let left = header.count; left > 0; left--) {
    const length = reader.varint()
    starts.push(reader.position)
    reader.skip(length)
  }
  return starts
}

/** Never a plain assignment of `__proto__`: it is a name like any other. */
function setHeader(headers: Record<string, string>, name: string, value: string): void {
  if (name !== '__proto__') headers[name] = value
  else Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
}

/** The `id` that a record was sent with. Only brokers ask, so it is no method, which every page would load. */
export function recordId(view: RecordBatchView, at: number): string | undefined {
  const attributes = view.attributes(at)
  if (!(attributes & ATTRIBUTE_ID)) return undefined
  const reader = view.valueReader(at)
  reader.skip(reader.varint())
  if (attributes & ATTRIBUTE_HEADERS) {
    for (let strings = reader.varint() * 2; strings > 0; strings--) reader.skip(reader.varint())
  }
  return reader.string()
}

/** A record with more headers (and, if given, another timestamp), to be stored elsewhere. */
export function rebuildRecord(
  view: RecordBatchView,
  at: number,
  changes: { readonly headers: Readonly<Record<string, string>>; readonly timestamp?: number | undefined },
): RecordInput {
  return {
    contentType: view.contentType(at),
    value: view.valueBytes(at),
    key: view.key(at),
    headers: { ...view.headers(at), ...changes.headers },
    timestamp: changes.timestamp ?? view.timestamp(at),
    id: recordId(view, at),
  }
}

/** The `id` of each record. */
export function recordIds(bytes: Uint8Array): (string | undefined)[] {
  const view = new RecordBatchView(bytes)
  return Array.from({ length: view.count }, (_, at) => recordId(view, at))
}
