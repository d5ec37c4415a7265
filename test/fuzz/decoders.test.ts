import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ErrorCode, isPortalError } from '../../src/core/errors.js'
import { verifyBatch } from '../../src/core/record-batch-verify.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import { seal } from '../../src/core/seal.js'
import { allPeerMethods } from '../../src/protocol/wire/peer.js'
import { decodeProduceRequest, decodeProduceResponse } from '../../src/protocol/wire/produce.js'
import { decodeReadResponse, encodeReadResponse } from '../../src/protocol/wire/read.js'
import {
  decodeReceiveRequest,
  decodeReceiveResponse,
  encodeReceiveResponse,
} from '../../src/protocol/wire/receive.js'
import { decodeSettleRequest, decodeSettleResponse } from '../../src/protocol/wire/settle.js'
import { decodeStreamRequest } from '../../src/protocol/wire/stream.js'
import { parseLease } from '../../src/transport/http/lease-text.js'
import { toMessageOutput } from '../../src/transport/http/message-json.js'
import { parseJson } from '../../src/transport/http/request-context.js'
import { batchOf, validMessages } from './support/messages.js'
import { validPeerMessages } from './support/peer-messages.js'
import { fuzz, mutated } from './support/rounds.js'

const records = batchOf(4)
const token = { epoch: 1, index: 2, slot: 0 }
const valid = [
  ...validMessages({ topicId: 'some-topic', generation: 1 }),
  encodeReadResponse({ batches: [{ baseOffset: 3, records }], nextOffset: 7, endOffset: 9 }),
  encodeReceiveResponse({
    deliveries: [
      { partition: 0, token, batches: [{ baseOffset: 0, records, ranges: [0, 4], deliveryCounts: [1, 2] }] },
    ],
  }),
]

/** What brokers say to each other, by whoever would read it. */
const peerDecoders = allPeerMethods.flatMap(([, { decodeRequest, decodeAnswer }]) => [
  decodeRequest,
  decodeAnswer,
])

const decoders = {
  decodeProduceRequest,
  decodeProduceResponse,
  decodeReadResponse,
  decodeReceiveRequest,
  decodeReceiveResponse,
  decodeSettleRequest,
  decodeSettleResponse,
  decodeStreamRequest,
  parseJson,
  parseLease: (bytes: Uint8Array) => parseLease(Buffer.from(bytes).toString('latin1')),
}

it('decoders of what comes from outside read bytes or throw a PortalError, whatever the bytes', async () => {
  const bytes = fc.oneof(
    { weight: 3, arbitrary: mutated(valid) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
  const rounds = await fuzz(
    0.1,
    fc.property(bytes, (given) => {
      for (const decode of Object.values(decoders)) throwsOnlyPortalErrors(() => decode(given))
    }),
  )
  expect(rounds).toBeGreaterThan(0)
})

it('what brokers say to each other is read, or is CORRUPT or UNSUPPORTED, whatever the bytes', async () => {
  const bytes = fc.oneof(
    { weight: 3, arbitrary: mutated(validPeerMessages) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
  const rounds = await fuzz(
    0.1,
    fc.property(bytes, (given) => {
      for (const decode of peerDecoders) throwsOnlyPortalErrors(() => decode(given), 'CORRUPT', 'UNSUPPORTED')
    }),
  )
  expect(rounds).toBeGreaterThan(0)
})

it('a record batch that was let in can be read to its end, however it was made', async () => {
  await fuzz(
    0.1,
    fc.property(mutated([records, batchOf(1), batchOf(50)]), (given) => {
      if (given.length < 4) return
      // With a seal that fits: it is no secret.
      const batch = seal(Uint8Array.from(given), crc32)
      throwsOnlyPortalErrors(() => {
        const header = verifyBatch(batch, crc32, { maxMessageBytes: 1 << 20 })
        const view = new RecordBatchView(batch)
        for (let at = 0; at < header.count; at++) JSON.stringify(toMessageOutput(view, at, 0, at))
      })
    }),
  )
})

function throwsOnlyPortalErrors(work: () => unknown, ...codes: ErrorCode[]): void {
  try {
    work()
  } catch (error) {
    if (!isPortalError(error) || (codes.length > 0 && !codes.includes(error.code))) throw error
  }
}
