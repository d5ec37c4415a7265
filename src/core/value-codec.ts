import { PortalError } from './errors.js'
import type { ContentType } from './record.js'
import type { RecordBatchView } from './record-batch-view.js'

export interface EncodedValue {
  readonly contentType: ContentType
  readonly value: string | Uint8Array
}

/**
 * A value as it is sent: bytes raw, strings as text, anything else that JSON can carry as JSON (what is nested follows
 * JSON.stringify). Bytes are not copied: whoever appends them to a batch does that. Throws INVALID_ARGUMENT.
 */
export function encodeValue(value: unknown): EncodedValue {
  if (typeof value === 'string') return { contentType: 'text', value }
  if (isBytes(value)) return { contentType: 'raw', value }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) throw notBytes(value)
  return { contentType: 'json', value: toJson(value) }
}

/** The value of a record, as `encodeValue` took it. */
export function decodeValue(view: RecordBatchView, at: number): unknown {
  switch (view.contentType(at)) {
    case 'text':
      return view.valueText(at)
    case 'raw':
      // The batch is shared with the broker and with other consumers: whoever gets bytes may change them. A Buffer's `slice` would not copy.
      return new Uint8Array(view.valueBytes(at))
    case 'json':
      return parseJson(view.valueText(at))
  }
}

function toJson(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new PortalError(
      'INVALID_ARGUMENT',
      `The value cannot be sent, because JSON cannot carry it: ${why}`,
      { cause },
    )
  }
  if (text !== undefined) return text
  const what =
    value !== null && typeof value === 'object' ? 'whose toJSON returns undefined' : `of type ${typeof value}`
  throw new PortalError(
    'INVALID_ARGUMENT',
    `A value ${what} cannot be sent: send null, a string, bytes, or anything that JSON can carry.`,
  )
}

/** Buffers included, and those of another realm, as test runners make them, where `instanceof` fails. */
function isBytes(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]')
  )
}

/** JSON would make an empty object of it, or one of numbered properties. */
function notBytes(value: object): PortalError {
  const name = Object.prototype.toString.call(value).slice(8, -1)
  return new PortalError(
    'INVALID_ARGUMENT',
    `A value of type ${name} cannot be sent: send its bytes as a Uint8Array.`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PortalError('CORRUPT', 'A message says that it is JSON, and is not.', { cause })
  }
}
