import fc from 'fast-check'
import { ERROR_CODES, PortalError } from '../../../src/core/errors.js'
import type { HeldToken, ReadResponse } from '../../../src/protocol/service.js'
import {
  decodeProduceRequest,
  decodeProduceResponse,
  encodeProduceRequest,
  encodeProduceResponse,
} from '../../../src/protocol/wire/produce.js'
import { decodeReadResponse, encodeReadResponse } from '../../../src/protocol/wire/read.js'
import {
  decodeReceiveRequest,
  decodeReceiveResponse,
  encodeReceiveRequest,
  encodeReceiveResponse,
} from '../../../src/protocol/wire/receive.js'
import {
  decodeSettleRequest,
  decodeSettleResponse,
  encodeSettleRequest,
  encodeSettleResponse,
} from '../../../src/protocol/wire/settle.js'
import { decodeStreamRequest, encodeStreamRequest } from '../../../src/protocol/wire/stream.js'
import * as reference from './reference.js'

/** One binary form: its values, today's codec, and the independent one that can write later versions. */
export interface Form<T> {
  readonly name: string
  readonly values: fc.Arbitrary<T>
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
  readonly reference: reference.Encode<T>
}

// Ends and small ones come often; all 53 bits are meant.
const number = fc.oneof(fc.nat(200), fc.nat(), fc.maxSafeNat())
const short = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })
const optional = fc.option(short, { nil: undefined })
const text = (maxLength: number) => fc.string({ maxLength, unit: 'grapheme-ascii' })
const anyText = fc.string({ maxLength: 40, unit: 'grapheme' })
const records = fc.uint8Array({ maxLength: 300 })
const token = fc.record({ epoch: number, index: number, slot: number })
const ranges = fc
  .array(fc.tuple(fc.nat(1_000), fc.integer({ min: 1, max: 1_000 })), { maxLength: 6 })
  .map((steps) => {
    let at = 0
    return steps.flatMap(([gap, length]) => {
      const start = at + gap
      at = start + length
      return [start, at]
    })
  })
const error = fc
  .tuple(fc.constantFrom(...ERROR_CODES), anyText, fc.boolean())
  .map(([code, message, retriable]) => ({ error: new PortalError(code, message, { retriable }) }))

const produceRequest: Form<reference.ProduceMessage> = {
  name: 'a produce request',
  values: fc.record({
    acks: fc.constantFrom('all', 'leader'),
    batches: fc.array(fc.record({ topicId: text(64), partition: number, packing: fc.nat(255), records }), {
      maxLength: 5,
    }),
  }),
  encode: ({ acks, batches }) => encodeProduceRequest(acks, batches),
  decode: decodeProduceRequest,
  reference: reference.produceRequest,
}

export const forms: readonly Form<never>[] = [
  produceRequest,
  {
    name: 'a produce response',
    values: fc.record({
      results: fc.array(fc.oneof(error, fc.record({ runs: fc.array(number, { maxLength: 9 }) })), {
        maxLength: 5,
      }),
    }),
    encode: encodeProduceResponse,
    decode: decodeProduceResponse,
    reference: reference.produceResponse,
  },
  {
    name: 'a receive request',
    values: fc.record({
      topicId: text(64),
      group: text(249),
      generation: number,
      consumer: text(249),
      lease: number,
      maxMessages: number,
      maxBytes: number,
      wait: optional,
      held: fc.option(fc.array(fc.record<HeldToken>({ partition: number, token }), { maxLength: 5 }), {
        nil: undefined,
      }),
      id: optional,
      hint: fc.constantFrom(true, undefined),
    }),
    encode: encodeReceiveRequest,
    decode: decodeReceiveRequest,
    reference: reference.receiveRequest,
  },
  {
    name: 'a receive response',
    values: fc.record({
      deliveries: fc.array(
        fc.record({
          partition: number,
          token,
          batches: fc.array(
            fc.record({
              baseOffset: number,
              records,
              ranges,
              deliveryCounts: fc.array(number, { maxLength: 6 }),
            }),
            { maxLength: 3 },
          ),
        }),
        { maxLength: 4 },
      ),
      more: fc.constantFrom(true, false, undefined),
    }),
    encode: encodeReceiveResponse,
    decode: decodeReceiveResponse,
    reference: reference.receiveResponse,
  },
  {
    name: 'a settle request',
    values: fc.record({
      topicId: text(64),
      group: text(249),
      generation: number,
      consumer: text(249),
      number: optional,
      settlements: fc.array(
        fc.record({
          partition: number,
          token,
          outcome: fc.constantFrom('ack', 'nack', 'reject', 'extend', 'release'),
          ranges,
          delay: optional,
          reason: anyText.map((reason) => reason || undefined),
        }),
        { maxLength: 4 },
      ),
      credit: fc.option(
        fc.record({ stream: fc.stringMatching(/^[0-9a-f]{1,32}$/), messages: number, bytes: number }),
        { nil: undefined },
      ),
    }),
    encode: encodeSettleRequest,
    decode: decodeSettleRequest,
    reference: reference.settleRequest,
  },
  {
    name: 'a stream request',
    values: fc.record({
      topicId: text(64),
      group: text(249),
      generation: number,
      consumer: text(249),
      lease: number,
      stream: text(64),
      credit: fc.record({ messages: number, bytes: number }),
      held: fc.option(fc.array(fc.record<HeldToken>({ partition: number, token }), { maxLength: 5 }), {
        nil: undefined,
      }),
    }),
    encode: encodeStreamRequest,
    decode: decodeStreamRequest,
    reference: reference.streamRequest,
  },
  {
    name: 'a settle response',
    values: fc.record({ lost: fc.array(ranges, { maxLength: 5 }) }),
    encode: encodeSettleResponse,
    decode: decodeSettleResponse,
    reference: reference.settleResponse,
  },
  {
    name: 'a read response',
    values: fc.record<ReadResponse>({
      nextOffset: number,
      endOffset: number,
      batches: fc.array(fc.record({ baseOffset: number, records }), { maxLength: 4 }),
    }),
    encode: encodeReadResponse,
    decode: decodeReadResponse,
    reference: reference.readResponse,
  },
] as readonly unknown[] as readonly Form<never>[]

/** A value in which errors are their parts, to be compared. */
export function plain(value: unknown): unknown {
  if (value instanceof PortalError)
    return { code: value.code, message: value.message, retriable: value.retriable }
  if (value instanceof Uint8Array) return Array.from(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}
