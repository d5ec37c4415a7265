import type { ByteReader, ByteWriter } from '../../core/bytes.js'
import { readRanges, writeRanges } from '../../core/ranges.js'
import type {
  DeliveredBatch,
  Delivery,
  HeldToken,
  LeaseToken,
  ReceiveRequest,
  ReceiveResponse,
} from '../service.js'
import { beginAnswer } from './answer.js'
import { beginMessage, openMessage, readList, readOptional, writeList, writeOptional } from './wire.js'

const BATCH_OVERHEAD = 32
/** Anything else is not said. */
const MORE = [false, true]

export function encodeReceiveRequest(request: ReceiveRequest): Uint8Array {
  const { held } = request
  const writer = beginMessage()
  writer.string(request.topicId)
  writer.string(request.group)
  writer.varint(request.generation)
  writer.string(request.consumer)
  writer.varint(request.lease)
  writer.varint(request.maxMessages)
  writer.varint(request.maxBytes)
  writeOptional(writer, request.wait)
  writeHeldList(writer, held)
  writeOptional(writer, request.id)
  // Missing as long as nothing comes after it: what was recorded of version 1 stays as it is.
  if (request.hint) writer.u8(1)
  return writer.finish()
}

export function decodeReceiveRequest(bytes: Uint8Array): ReceiveRequest {
  const reader = openMessage(bytes)
  const request = {
    topicId: reader.string(64),
    group: reader.string(256),
    generation: reader.varint(),
    consumer: reader.string(512),
    lease: reader.varint(),
    maxMessages: reader.varint(),
    maxBytes: reader.varint(),
    wait: readOptional(reader),
  }
  const held = readHeldList(bytes, reader)
  const id = reader.remaining > 0 ? readOptional(reader) : undefined
  const hint = (reader.remaining > 0 && reader.u8() === 1) || undefined
  return { ...request, held, id, hint }
}

export function encodeReceiveResponse({ deliveries, more }: ReceiveResponse): Uint8Array {
  const writer = beginAnswer(64 + deliveries.reduce((sum, delivery) => sum + sizeOf(delivery), 0))
  writeList(writer, deliveries, sizeOf, (delivery) => {
    writer.varint(delivery.partition)
    writeToken(writer, delivery.token)
    writeList(
      writer,
      delivery.batches,
      (batch) => batch.records.length + BATCH_OVERHEAD,
      (batch) => writeBatch(writer, batch),
    )
  })
  if (more !== undefined) writer.u8(more ? 1 : 0)
  return writer.view()
}

/** The records are views on `bytes`. */
export function decodeReceiveResponse(bytes: Uint8Array): ReceiveResponse {
  const reader = openMessage(bytes)
  const deliveries = readList<Delivery>(bytes, reader, (block) => ({
    partition: block.varint(),
    token: readToken(block),
    batches: readList<DeliveredBatch>(bytes, block, readBatch),
  }))
  return { deliveries, more: reader.remaining > 0 ? MORE[reader.u8()] : undefined }
}

export function writeToken(writer: ByteWriter, token: LeaseToken): void {
  writer.varint(token.epoch)
  writer.varint(token.index)
  writer.varint(token.slot)
}

export function readToken(reader: ByteReader): LeaseToken {
  return { epoch: reader.varint(), index: reader.varint(), slot: reader.varint() }
}

export function writeHeldList(writer: ByteWriter, held: readonly HeldToken[] | undefined): void {
  writer.u8(held === undefined ? 0 : 1)
  if (held === undefined) return
  writeList(
    writer,
    held,
    () => 12,
    ({ partition, token }) => {
      writer.varint(partition)
      writeToken(writer, token)
    },
  )
}

export function readHeldList(bytes: Uint8Array, reader: ByteReader): HeldToken[] | undefined {
  const isSaid = reader.remaining > 0 && reader.u8() === 1
  return isSaid ? readList<HeldToken>(bytes, reader, readHeld) : undefined
}

function readHeld(block: ByteReader): HeldToken {
  return { partition: block.varint(), token: readToken(block) }
}

function writeBatch(writer: ByteWriter, batch: DeliveredBatch): void {
  writer.varint(batch.baseOffset)
  writer.bytes(batch.records)
  writeRanges(writer, batch.ranges)
  writer.varint(batch.deliveryCounts.length)
  for (const number of batch.deliveryCounts) writer.varint(number)
}

function readBatch(block: ByteReader): DeliveredBatch {
  const baseOffset = block.varint()
  const records = block.bytes()
  const ranges = readRanges(block)
  const deliveryCounts: number[] = []
  for (let left = block.varint(); left > 0; left--) deliveryCounts.push(block.varint())
  return { baseOffset, records, ranges, deliveryCounts }
}

function sizeOf({ batches }: Delivery): number {
  return batches.reduce((sum, { records }) => sum + records.length + BATCH_OVERHEAD, 32)
}
