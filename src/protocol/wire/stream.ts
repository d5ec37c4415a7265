import type { ByteReader, ByteWriter } from '../../core/bytes.js'
import { PortalError } from '../../core/errors.js'
import type { ReceiveResponse, StreamCredit, StreamRequest } from '../service.js'
import { decodeReceiveResponse, encodeReceiveResponse, readHeldList, writeHeldList } from './receive.js'
import { beginMessage, openMessage, readError, writeError } from './wire.js'

/** A frame is four bytes of length, its kind, and what the kind says: the length counts the kind, too. */
const HEAD = 5
const ANSWER = 0
const FAILURE = 1

/** A piece of a stream may be so long; more is no stream of ours. */
const LONGEST_FRAME = 2 ** 28

export function encodeStreamRequest(request: StreamRequest): Uint8Array {
  const writer = beginMessage()
  writer.string(request.topicId)
  writer.string(request.group)
  writer.varint(request.generation)
  writer.string(request.consumer)
  writer.varint(request.lease)
  writer.string(request.stream)
  writeCredit(writer, request.credit)
  writeHeldList(writer, request.held)
  return writer.finish()
}

export function decodeStreamRequest(bytes: Uint8Array): StreamRequest {
  const reader = openMessage(bytes)
  return {
    topicId: reader.string(64),
    group: reader.string(256),
    generation: reader.varint(),
    consumer: reader.string(512),
    lease: reader.varint(),
    stream: reader.string(64),
    credit: readCredit(reader),
    held: readHeldList(bytes, reader),
  }
}

export function writeCredit(writer: ByteWriter, credit: Omit<StreamCredit, 'stream'>): void {
  writer.varint(credit.messages)
  writer.varint(credit.bytes)
}

export function readCredit(reader: ByteReader): Omit<StreamCredit, 'stream'> {
  return { messages: reader.varint(), bytes: reader.varint() }
}

export function encodeAnswerFrame(response: ReceiveResponse): Uint8Array {
  return frame(ANSWER, encodeReceiveResponse(response))
}

export function encodeFailureFrame(error: PortalError): Uint8Array {
  const writer = beginMessage()
  writeError(writer, error)
  return frame(FAILURE, writer.finish())
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD + payload.length)
  new DataView(bytes.buffer).setUint32(0, payload.length + 1)
  bytes[4] = kind
  bytes.set(payload, HEAD)
  return bytes
}

/** Finds the frames in a stream of bytes, however it was cut. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /**
   * The answers that are complete with this piece; after them it throws what the other side failed with, and DISCONNECTED for what no broker has
   * said. Unknown kinds are passed over.
   */
  *push(piece: Uint8Array): Generator<ReceiveResponse, void, undefined> {
    let bytes = this.#rest.length === 0 ? piece : join(this.#rest, piece)
    while (bytes.length >= HEAD) {
      const end = 4 + frameLength(bytes)
      if (bytes.length < end) break
      const payload = bytes.subarray(HEAD, end)
      if (bytes[4] === ANSWER) yield decoded(decodeReceiveResponse, payload)
      else if (bytes[4] === FAILURE) throw decoded(decodeFailure, payload)
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
  }
}

function frameLength(bytes: Uint8Array): number {
  const length = ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0
  if (length === 0 || length > LONGEST_FRAME)
    throw new PortalError('DISCONNECTED', `A stream has a piece of ${length} bytes: it is none of portal-mq.`)
  return length
}

function decoded<T>(decode: (payload: Uint8Array) => T, payload: Uint8Array): T {
  try {
    return decode(payload)
  } catch (cause) {
    throw new PortalError('DISCONNECTED', 'A stream has a piece that no broker of portal-mq has sent.', {
      cause,
    })
  }
}

function join(one: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(one.length + other.length)
  bytes.set(one)
  bytes.set(other, one.length)
  return bytes
}

function decodeFailure(payload: Uint8Array): PortalError {
  return readError(openMessage(payload))
}
