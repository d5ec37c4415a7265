import { ERROR_CODES } from '../../../core/errors.js'
import type { Answer } from '../route.js'
import type { Schema } from '../schema.js'

export const JSON_TYPE = 'application/json'
export const NDJSON_TYPE = 'application/x-ndjson'

export const COUNT: Schema = { type: 'integer', minimum: 0 }
export const POSITIVE: Schema = { type: 'integer', minimum: 1 }
/** Long enough for anybody, short enough for proxies, who cut what is silent. */
export const LONGEST_WAIT = 60_000
export const WAIT: Schema = {
  type: 'integer',
  minimum: 0,
  maximum: LONGEST_WAIT,
  description: 'Milliseconds to wait when there is nothing.',
}
export const POSITION: Schema = {
  anyOf: [
    { type: 'integer', minimum: 0 },
    { enum: ['earliest', 'latest'] },
    { type: 'string', format: 'date-time' },
  ],
  description: 'An offset, earliest, latest, or a time in ISO 8601.',
}
/** As a query parameter: all text. */
export const POSITION_TEXT: Schema = {
  type: 'string',
  maxLength: 64,
  description: 'An offset, earliest, latest, or a time in ISO 8601.',
}

/** An object of these properties, all there but those named, and no others. */
export function record(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', required, additionalProperties: false, properties }
}

export const RETENTION: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    after: { ...COUNT, description: 'Milliseconds that a message is kept once every group has settled it.' },
    age: {
      anyOf: [POSITIVE, { type: 'null' }],
      description: 'Milliseconds after which a message goes, settled or not.',
    },
    bytes: {
      anyOf: [POSITIVE, { type: 'null' }],
      description: 'Bytes per partition above which the oldest messages go.',
    },
  },
}

export const TOPIC_SETTINGS: Readonly<Record<string, Schema>> = {
  retention: RETENTION,
  maxMessageBytes: { ...POSITIVE, description: 'The largest message, in bytes.' },
  dedupe: {
    type: 'object',
    additionalProperties: false,
    properties: { window: COUNT, ids: COUNT },
    description: 'For how many milliseconds, and how many of them, ids are remembered.',
  },
}

export const GROUP_SETTINGS: Readonly<Record<string, Schema>> = {
  order: { enum: ['none'], description: 'Whoever asks gets any message that is free.' },
  maxDeliveries: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000,
    description: 'Failures after which a message is dead. Default: 5.',
  },
  backoff: {
    type: 'object',
    description:
      'How long a failed message waits: initial × factor^(failures − 1) ms, at most max, ± jitter.',
    additionalProperties: false,
    properties: {
      initial: { type: 'number', minimum: 0 },
      max: { type: 'number', minimum: 0 },
      factor: { type: 'number', minimum: 1 },
      jitter: { type: 'number', minimum: 0, maximum: 1 },
    },
  },
  deadLetter: {
    anyOf: [{ type: 'string' }, { enum: [false] }],
    description: 'The topic of the dead. Default: `<topic>.dead`. false: they are discarded.',
  },
}

/** An error, by RFC 9457. */
export const PROBLEM: Schema = record({
  type: { type: 'string' },
  title: { type: 'string' },
  status: { type: 'integer' },
  detail: { type: 'string', description: 'What happened, and what to do.' },
  code: { enum: ERROR_CODES, description: 'Never changes its meaning.' },
  retriable: { type: 'boolean', description: 'Whether the same request may succeed later.' },
})

/** An answer in JSON. */
export function answer(description: string, schema: Schema): Answer {
  return { description, content: { [JSON_TYPE]: schema } }
}

export const NOTHING: Answer = { description: 'Done.' }
