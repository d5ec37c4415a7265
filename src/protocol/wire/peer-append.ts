import type { AppendRequest } from '../peer-service.js'
import {
  encodePeerMessage,
  openPeerMessage,
  readPartition,
  readPayload,
  readSender,
  writePartition,
  writeSender,
} from './peer-message.js'

export function encodeAppendRequest(request: AppendRequest): Uint8Array {
  return encodePeerMessage((writer, attach) => {
    writeSender(writer, request)
    writePartition(writer, request)
    attach(request.records)
  })
}

/** The records are a view on `bytes`. */
export function decodeAppendRequest(bytes: Uint8Array): AppendRequest {
  const { head, payloads } = openPeerMessage(bytes)
  return { ...readSender(head), ...readPartition(head), records: readPayload(head, payloads) }
}

export function encodeAppendResponse(): Uint8Array {
  return encodePeerMessage(() => {})
}

export function decodeAppendResponse(bytes: Uint8Array): void {
  openPeerMessage(bytes)
}
