import type { BatchesRequest, BatchesResponse } from '../peer-service.js'
import { MOST_BYTES, readEntries, writeEntries } from './peer-fetch.js'
import {
  encodePeerMessage,
  openPeerMessage,
  readPartition,
  readSender,
  writePartition,
  writeSender,
} from './peer-message.js'

export function encodeBatchesRequest(request: BatchesRequest): Uint8Array {
  return encodePeerMessage((writer) => {
    writeSender(writer, request)
    writePartition(writer, request)
    writer.varint(request.epoch)
    writer.varint(request.first)
    writer.varint(request.end)
    writer.varint(request.maxBytes)
  })
}

export function decodeBatchesRequest(bytes: Uint8Array): BatchesRequest {
  const { head } = openPeerMessage(bytes)
  return {
    ...readSender(head),
    ...readPartition(head),
    epoch: head.varint(),
    first: head.varint(),
    end: head.varint(),
    maxBytes: Math.min(head.varint(), MOST_BYTES),
  }
}

export function encodeBatchesResponse({ entries }: BatchesResponse): Uint8Array {
  return encodePeerMessage(
    (writer, attach) => writeEntries(writer, attach, entries),
    64 + entries.length * 20,
  )
}

/** Payloads are views on `message`. */
export function decodeBatchesResponse(message: Uint8Array): BatchesResponse {
  const { bytes, head, payloads } = openPeerMessage(message)
  return { entries: readEntries(bytes, head, payloads) }
}
