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
export const OBJECT: Schema = { type: 'object' }

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
  order: { enum: ['none'] },
  maxDeliveries: { type: 'integer', minimum: 1, maximum: 1_000 },
  backoff: {
    type: 'object',
    additionalProperties: false,
    properties: {
      initial: { type: 'number', minimum: 0 },
      max: { type: 'number', minimum: 0 },
      factor: { type: 'number', minimum: 1 },
      jitter: { type: 'number', minimum: 0, maximum: 1 },
    },
  },
  deadLetter: { anyOf: [{ type: 'string' }, { enum: [false] }] },
}

/** An answer in JSON. */
export function answer(description: string, schema: Schema = OBJECT): Answer {
  return { description, content: { [JSON_TYPE]: schema } }
}

export const NOTHING: Answer = { description: 'Done.' }
