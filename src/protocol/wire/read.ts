import type { ReadResponse } from '../service.js'
import { beginMessage, openMessage, readList, writeList } from './wire.js'

const BATCH_OVERHEAD = 16

export function encodeReadResponse({ batches, nextOffset, endOffset }: ReadResponse): Uint8Array {
  const writer = beginMessage(
    32 + batches.reduce((sum, { records }) => sum + records.length + BATCH_OVERHEAD, 0),
  )
  writer.varint(nextOffset)
  writer.varint(endOffset)
  writeList(
    writer,
    batches,
    ({ records }) => records.length + BATCH_OVERHEAD,
    ({ baseOffset, records }) => {
      writer.varint(baseOffset)
      writer.bytes(records)
    },
  )
  return writer.finish()
}

/** The records are views on `bytes`. */
export function decodeReadResponse(bytes: Uint8Array): ReadResponse {
  const reader = openMessage(bytes)
  const nextOffset = reader.varint()
  const endOffset = reader.varint()
  const batches = readList(bytes, reader, (block) => ({ baseOffset: block.varint(), records: block.bytes() }))
  return { batches, nextOffset, endOffset }
}
