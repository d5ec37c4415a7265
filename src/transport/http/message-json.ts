import { isPortalError, PortalError } from '../../core/errors.js'
import type { RecordInput } from '../../core/record-batch-builder.js'
import type { RecordBatchView } from '../../core/record-batch-view.js'
import { decodeValue, encodeValue } from '../../core/value-codec.js'
import { shapeFault } from './json-shape.js'
import type { Schema } from './schema.js'

/** A message as people and tools send it. */
export interface MessageInput {
  readonly value: unknown
  /** `base64`: the value is text that stands for bytes. */
  readonly encoding?: 'base64' | undefined
  readonly key?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly id?: string | undefined
  readonly partition?: number | undefined
  readonly timestamp?: number | undefined
}

export const MESSAGE_INPUT: Schema = {
  type: 'object',
  required: ['value'],
  additionalProperties: false,
  properties: {
    value: { description: 'Anything JSON can carry; a string is sent as text.' },
    encoding: { enum: ['base64'], description: 'The value is base64 and stands for bytes.' },
    key: { type: 'string', description: 'Messages of one key go to one partition, in order.' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    id: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      description: "Within the topic's window a second message with the same id is not stored.",
    },
    partition: { type: 'integer', minimum: 0 },
    timestamp: { type: 'integer', description: 'Milliseconds since the Unix epoch. Default: now.' },
  },
}

export const MESSAGE_OUTPUT: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['partition', 'offset', 'timestamp', 'value'],
  properties: {
    partition: { type: 'integer' },
    offset: { type: 'integer', description: 'Its position in the partition: 0, 1, 2, …' },
    timestamp: { type: 'integer', description: 'Milliseconds since the Unix epoch.' },
    key: { type: 'string' },
    keyEncoding: { enum: ['base64'], description: 'The key was sent as bytes.' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    value: {},
    encoding: { enum: ['base64'], description: 'The value was sent as bytes.' },
  },
}

export function toRecordInput(message: MessageInput, now: number): RecordInput {
  const value = message.encoding === 'base64' ? fromBase64(message.value) : message.value
  return {
    ...encodeValue(value),
    key: message.key,
    headers: message.headers,
    timestamp: message.timestamp ?? now,
    id: message.id,
  }
}

/** The message at a place of a batch, as JSON carries it. */
export function toMessageOutput(
  view: RecordBatchView,
  at: number,
  partition: number,
  offset: number,
): object {
  const key = view.key(at)
  const headers = view.headers(at)
  const value = readableValue(view, at)
  return {
    partition,
    offset,
    timestamp: view.timestamp(at),
    ...(key === undefined
      ? {}
      : typeof key === 'string'
        ? { key }
        : { key: toBase64(key), keyEncoding: 'base64' }),
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    ...(value instanceof Uint8Array ? { value: toBase64(value), encoding: 'base64' } : { value }),
  }
}

/** A value that claims to be JSON and is not, or is too deep to be written again, is given as its bytes: others wait behind it. */
function readableValue(view: RecordBatchView, at: number): unknown {
  const isOdd = view.contentType(at) === 'json' && shapeFault(view.valueBytes(at)) !== undefined
  if (isOdd) return view.valueBytes(at)
  try {
    return decodeValue(view, at)
  } catch (error) {
    if (isPortalError(error, 'CORRUPT')) return view.valueBytes(at)
    throw error
  }
}

function fromBase64(text: unknown): Uint8Array {
  if (typeof text === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    try {
      return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    } catch {
      // Said below.
    }
  }
  throw new PortalError('INVALID_ARGUMENT', "With the encoding 'base64' the value must be base64.")
}

function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 0x8000)
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  return btoa(text)
}
