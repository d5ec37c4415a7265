import type { PortalError } from '../../core/errors.js'
import type { RecordInput } from '../../core/record-batch-builder.js'
import { encodeUtf8 } from '../../core/utf8.js'
import { encodeValue } from '../../core/value-codec.js'
import type { Flush } from './flush.js'
import type { MessageOptions } from './send-options.js'
import type { Sent } from './sent.js'

/** What a record takes beside its value, key and headers; about. */
const RECORD_OVERHEAD = 16

/** A message on its way into a batch, and whoever waits for it. */
export class Outgoing {
  readonly topic: string
  readonly partition: number | undefined
  /** About what it takes of the buffer. */
  readonly bytes: number
  record: RecordInput
  readonly resolve: (sent: Sent) => void
  readonly reject: (error: PortalError) => void
  /** Monotonic. Known once it has to wait. */
  deadline = 0
  /** Nobody waits for it, and it is in no batch: it is not sent. */
  cancelled = false
  isPlaced = false
  /** The one that waits for it. */
  readonly flush: Flush

  constructor(
    topic: string,
    partition: number | undefined,
    record: RecordInput,
    resolve: (sent: Sent) => void,
    reject: (error: PortalError) => void,
    flush: Flush,
  ) {
    this.topic = topic
    this.partition = partition
    this.record = record
    this.bytes =
      RECORD_OVERHEAD + record.value.length + (record.key?.length ?? 0) + headerBytes(record.headers)
    this.resolve = resolve
    this.reject = reject
    this.flush = flush
  }

  /** It does not go into a batch at once: what the caller may change by then is copied. */
  hold(deadline: number): void {
    this.deadline = deadline
    const { value, key, headers } = this.record
    this.record = {
      ...this.record,
      value: typeof value === 'string' ? value : new Uint8Array(value),
      key: typeof key === 'object' ? new Uint8Array(key) : key,
      headers: headers === undefined ? undefined : { ...headers },
    }
  }

  /** It goes into no batch; without an error nobody waits for it. */
  refuse(error?: PortalError): void {
    this.isPlaced = true
    if (error) this.reject(error)
    this.flush.leave()
  }
}

/** A message as a record. Throws INVALID_ARGUMENT for a value that cannot be sent. */
export function toRecord(value: unknown, options: MessageOptions | undefined, now: number): RecordInput {
  const { contentType, value: encoded } = encodeValue(value)
  const timestamp = options?.timestamp
  return {
    contentType,
    value: encoded,
    key: options?.key,
    headers: options?.headers,
    timestamp: timestamp instanceof Date ? timestamp.getTime() : (timestamp ?? now),
    id: options?.id,
  }
}

/** Whether the record's value and key alone are above `limit` bytes. Encodes only where it is close. */
export function isLargerThan(limit: number, record: RecordInput): boolean {
  const { value, key = '' } = record
  if ((value.length + key.length) * 3 <= limit) return false
  return byteLength(value) + byteLength(key) > limit
}

function byteLength(text: string | Uint8Array): number {
  return typeof text === 'string' ? encodeUtf8(text).length : text.length
}

function headerBytes(headers: Readonly<Record<string, string>> | undefined): number {
  if (headers === undefined) return 0
  let bytes = 0
  for (const name in headers) bytes += name.length + headers[name]!.length + 2
  return bytes
}
