import type { ByteReader } from '../../core/bytes.js'
import type { SnapshotRequest, SnapshotSlice } from '../peer-service.js'
import { MOST_BYTES } from './peer-fetch.js'
import {
  encodePeerMessage,
  openPeerMessage,
  readDistance,
  readPartition,
  readPayload,
  readSender,
  writePartition,
  writeSender,
} from './peer-message.js'
import { readOptional, writeOptional } from './wire.js'

export function encodeSnapshotRequest(request: SnapshotRequest): Uint8Array {
  return encodePeerMessage((writer) => {
    writeSender(writer, request)
    writePartition(writer, request)
    writer.varint(request.epoch)
    writeOptional(writer, request.index)
    writer.varint(request.fromPage)
    writer.varint(request.maxBytes)
  })
}

export function decodeSnapshotRequest(bytes: Uint8Array): SnapshotRequest {
  const { head } = openPeerMessage(bytes)
  return {
    ...readSender(head),
    ...readPartition(head),
    epoch: head.varint(),
    index: readOptional(head),
    fromPage: head.varint(),
    maxBytes: Math.min(head.varint(), MOST_BYTES),
  }
}

export function encodeSnapshotSlice({ index, epoch, header, pageIds, pages }: SnapshotSlice): Uint8Array {
  return encodePeerMessage(
    (writer, attach) => {
      writer.varint(index)
      writer.varint(epoch)
      attach(header)
      writer.varint(pageIds.length)
      let before = 0
      for (const id of pageIds) {
        writer.zigzag(id - before)
        before = id
      }
      writer.varint(pages.length)
      for (const page of pages) attach(page)
    },
    32 + pageIds.length * 3 + pages.length * 4,
  )
}

/** Header and pages are views on `bytes`. */
export function decodeSnapshotSlice(bytes: Uint8Array): SnapshotSlice {
  const { head, payloads } = openPeerMessage(bytes)
  const index = head.varint()
  const epoch = head.varint()
  const header = readPayload(head, payloads)
  const pageIds = readPageIds(head)
  const pages: Uint8Array[] = []
  for (let left = head.varint(); left > 0; left--) pages.push(readPayload(head, payloads))
  return { index, epoch, header, pageIds, pages }
}

function readPageIds(head: ByteReader): number[] {
  const ids: number[] = []
  let before = 0
  for (let left = head.varint(); left > 0; left--) {
    before = readDistance(head, before)
    ids.push(before)
  }
  return ids
}
