import { crc32 } from 'node:zlib'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import { encodeProduceRequest } from '../../../src/protocol/wire/produce.js'
import { encodeReceiveRequest } from '../../../src/protocol/wire/receive.js'
import { encodeSettleRequest } from '../../../src/protocol/wire/settle.js'
import { encodeStreamRequest } from '../../../src/protocol/wire/stream.js'

/** Whose messages they are. */
export interface Place {
  readonly topicId: string
  readonly generation: number
}

export function batchOf(count: number): Uint8Array {
  const builder = new RecordBatchBuilder(crc32)
  for (let at = 0; at < count; at++) {
    builder.tryAppend({
      contentType: 'json',
      value: JSON.stringify({ at }),
      timestamp: at,
      key: at % 2 ? `key ${at}` : undefined,
      headers: at % 3 ? { name: 'value' } : undefined,
      id: at % 4 ? undefined : `id ${at}`,
    })
  }
  return builder.seal('producer', 1, 0)
}

/** Binary requests that are as they should be. */
export function validMessages({ topicId, generation }: Place): Uint8Array[] {
  const consumer = { topicId, group: 'g', generation, consumer: 'c' }
  const token = { epoch: 1, index: 5, slot: 0 }
  const outcomes = ['ack', 'nack', 'reject', 'extend', 'release'] as const
  return [
    encodeProduceRequest('all', [{ topicId, partition: 0, packing: 0, records: batchOf(3) }]),
    encodeProduceRequest('leader', [
      { topicId, partition: 1, packing: 0, records: batchOf(1) },
      { topicId, partition: 9, packing: 1, records: new Uint8Array(5) },
    ]),
    encodeReceiveRequest({ ...consumer, lease: 1_000, maxMessages: 10, maxBytes: 1_000, wait: 5 }),
    encodeReceiveRequest({
      ...consumer,
      lease: 1_000,
      maxMessages: 1,
      maxBytes: 1,
      wait: 0,
      held: [{ partition: 0, token }],
    }),
    encodeStreamRequest({
      ...consumer,
      lease: 1_000,
      stream: 'a-stream',
      credit: { messages: 5, bytes: 500 },
    }),
    ...outcomes.map((outcome, number) =>
      encodeSettleRequest({
        ...consumer,
        number,
        settlements: [{ partition: 0, token, outcome, ranges: [0, 2, 5, 6], delay: 10, reason: 'why' }],
      }),
    ),
  ]
}
