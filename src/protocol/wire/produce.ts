import type { ByteReader, ByteWriter } from '../../core/bytes.js'
import type { Compression, ProduceBatch, ProduceRequest, ProduceResponse, ProduceResult } from '../service.js'
import { beginAnswer } from './answer.js'
import {
  beginMessage,
  openMessage,
  readError,
  readList,
  readListUpTo,
  writeError,
  writeList,
} from './wire.js'

/** The most batches of one request. */
const MOST_BATCHES = 10_000
/** What a batch takes beside its records; about. */
const BATCH_OVERHEAD = 64

/** Their places, from 1 on, are how a batch says that it is packed; 0: it is not. */
export const COMPRESSIONS: readonly Compression[] = ['deflate', 'zstd']

export interface PackedBatch extends ProduceBatch {
  readonly packing: number
}

export function encodeProduceRequest(
  acks: ProduceRequest['acks'],
  batches: readonly PackedBatch[],
): Uint8Array {
  const bytes = batches.reduce((sum, { records }) => sum + records.length + BATCH_OVERHEAD, 8)
  const writer = beginMessage(bytes)
  writer.u8(acks === 'leader' ? 1 : 0)
  writeList(
    writer,
    batches,
    (batch) => batch.records.length + BATCH_OVERHEAD,
    (batch) => {
      writer.string(batch.topicId)
      writer.varint(batch.partition)
      writer.u8(batch.packing)
      writer.bytes(batch.records)
    },
  )
  return writer.finish()
}

/** The records are views on `bytes`. */
export function decodeProduceRequest(bytes: Uint8Array): {
  readonly acks: ProduceRequest['acks']
  readonly batches: readonly PackedBatch[]
} {
  const reader = openMessage(bytes)
  const acks = reader.u8() === 1 ? 'leader' : 'all'
  const read = (block: ByteReader) => ({
    topicId: block.string(64),
    partition: block.varint(),
    packing: block.u8(),
    records: block.bytes(),
  })
  const batches = readListUpTo(MOST_BATCHES, bytes, reader, read)
  return { acks, batches }
}

export function encodeProduceResponse({ results }: ProduceResponse): Uint8Array {
  const writer = beginAnswer(16 + results.length * 16)
  writeList(
    writer,
    results,
    () => 16,
    (result) => writeResult(writer, result),
  )
  return writer.view()
}

export function decodeProduceResponse(bytes: Uint8Array): ProduceResponse {
  const reader = openMessage(bytes)
  return { results: readList(bytes, reader, readResult) }
}

function writeResult(writer: ByteWriter, result: ProduceResult): void {
  if (result.error !== undefined) {
    writer.u8(1)
    writeError(writer, result.error)
    return
  }
  writer.u8(0)
  writer.varint(result.runs.length)
  for (const number of result.runs) writer.varint(number)
}

function readResult(block: ByteReader): ProduceResult {
  if (block.u8() === 1) return { error: readError(block) }
  const runs: number[] = []
  for (let left = block.varint(); left > 0; left--) runs.push(block.varint())
  return { runs }
}
