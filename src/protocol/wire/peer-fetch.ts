import { ByteReader, type ByteWriter } from '../../core/bytes.js'
import { ENTRY_KINDS, type EntryKind, type StoredEntry } from '../../core/entry.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  FetchPosition,
  FetchRequest,
  FetchResponse,
  FetchResult,
  FetchSession,
  PartitionName,
} from '../peer-service.js'
import {
  encodePeerMessage,
  openPeerMessage,
  readDistance,
  readPartitions,
  readPayload,
  readSender,
  writePartitions,
  writeSender,
} from './peer-message.js'
import { readError, readList, readOptional, writeError, writeList, writeOptional } from './wire.js'

/** Payloads of one answer, whatever is asked for; an entry that is larger goes alone. */
export const MOST_BYTES = 16 << 20

/** Their places are their codes: new ones only at the end. */
const RESULTS: readonly FetchResult['type'][] = ['entries', 'diverged', 'behind', 'error']
const KIND_CODES = new Map<EntryKind, number>(ENTRY_KINDS.map((kind, code) => [kind, code]))

/** What a position and an entry take, beside payloads; about. */
const POSITION_BYTES = 10
const ENTRY_BYTES = 16

export function encodeFetchRequest(request: FetchRequest): Uint8Array {
  return encodePeerMessage(
    (writer) => {
      writeSender(writer, request)
      writer.varint(Math.ceil(request.wait))
      writer.varint(request.maxBytes)
      writer.varint(Math.floor(request.now))
      writePartitions(
        writer,
        request.partitions,
        () => POSITION_BYTES,
        (position) => {
          writer.varint(position.epoch)
          writer.varint(position.next)
          writer.varint(position.lastEpoch + 1)
          writer.zigzag(position.next - position.highWatermark)
          writer.varint(position.round ?? 0)
          writer.varint(position.documentVersion ?? 0)
        },
      )
      writeSession(writer, request.session)
    },
    128 + (request.partitions.length + (request.session?.forgotten.length ?? 0)) * (POSITION_BYTES + 4),
  )
}

function writeSession(writer: ByteWriter, session: FetchSession | undefined): void {
  writeOptional(writer, session?.id)
  if (session === undefined) return
  writer.varint(session.number)
  writePartitions(
    writer,
    session.forgotten,
    () => 0,
    () => {},
  )
  writer.u8(Number(session.catchUp))
}

/** Builds before sessions end their messages here. */
function readSession(bytes: Uint8Array, head: ByteReader): FetchSession | undefined {
  const id = head.remaining > 0 ? readOptional(head) : undefined
  if (id === undefined) return undefined
  const number = head.varint()
  const forgotten = readPartitions(bytes, head, (_, name) => name)
  // Builds with one session for all end their messages here.
  return { id, number, forgotten, catchUp: head.remaining > 0 && head.u8() === 1 }
}

export function decodeFetchRequest(message: Uint8Array): FetchRequest {
  const { bytes, head } = openPeerMessage(message)
  return {
    ...readSender(head),
    wait: head.varint(),
    maxBytes: Math.min(head.varint(), MOST_BYTES),
    now: head.varint(),
    partitions: readPartitions(bytes, head, readPosition),
    session: readSession(bytes, head),
  }
}

function readPosition(block: ByteReader, name: PartitionName): FetchPosition {
  const epoch = block.varint()
  const next = block.varint()
  const lastEpoch = block.varint() - 1
  const highWatermark = next - block.zigzag()
  if (!Number.isSafeInteger(highWatermark) || highWatermark < 0)
    throw new PortalError('CORRUPT', 'A position has a high watermark that cannot be.')
  const round = block.remaining > 0 ? block.varint() : undefined
  const documentVersion = block.remaining > 0 ? block.varint() : undefined
  return { ...name, epoch, next, lastEpoch, highWatermark, round, documentVersion }
}

export function encodeFetchResponse({ results, session }: FetchResponse): Uint8Array {
  return encodePeerMessage(
    (writer, attach) => {
      writePartitions(writer, results, sizeOf, (result) => writeResult(writer, attach, result))
      writeOptional(writer, session)
    },
    64 + results.reduce((sum, result) => sum + sizeOf(result) + 4, 0),
  )
}

/** Payloads are views on `message`. What this build cannot read of a partition is UNSUPPORTED there, and only there. */
export function decodeFetchResponse(message: Uint8Array): FetchResponse {
  const { bytes, head, payloads } = openPeerMessage(message)
  const results = readPartitions<FetchResult>(bytes, head, (block, name) => {
    // Its own payloads, also those that an unknown field speaks of.
    const own = readOwnPayloads(bytes, block, payloads)
    try {
      return readResult(bytes, block, own, name)
    } catch (error) {
      if (isPortalError(error, 'UNSUPPORTED')) return { ...name, type: 'error', error }
      throw error
    }
  })
  return { results, session: head.remaining > 0 ? readOptional(head) : undefined }
}

function writeResult(writer: ByteWriter, attach: (payload: Uint8Array) => void, result: FetchResult): void {
  const payloads =
    result.type === 'entries' ? result.entries.reduce((sum, { payload }) => sum + payload.length, 0) : 0
  writer.varint(payloads)
  writer.u8(RESULTS.indexOf(result.type))
  if (result.type === 'entries') {
    writer.varint(result.highWatermark)
    writeEntries(writer, attach, result.entries)
    writer.varint(result.round)
    writer.varint(result.documentVersion)
  } else if (result.type === 'diverged') {
    writer.varint(result.epoch + 1)
    writer.varint(result.end)
  } else if (result.type === 'error') writeError(writer, seenFromElsewhere(result.error))
}

/** What closes there is away for whoever asked: CLOSED would say that the follower itself is. */
function seenFromElsewhere(error: PortalError): PortalError {
  return error.code === 'CLOSED' ? new PortalError('DISCONNECTED', error.message) : error
}

function readOwnPayloads(bytes: Uint8Array, block: ByteReader, payloads: ByteReader): ByteReader {
  const length = block.varint()
  const start = payloads.position
  payloads.skip(length)
  return new ByteReader(bytes, start, start + length)
}

function readResult(
  bytes: Uint8Array,
  block: ByteReader,
  payloads: ByteReader,
  name: PartitionName,
): FetchResult {
  const type = RESULTS[block.u8()]
  switch (type) {
    case 'entries':
      return {
        ...name,
        type,
        highWatermark: block.varint(),
        entries: readEntries(bytes, block, payloads),
        round: block.remaining > 0 ? block.varint() : 0,
        documentVersion: block.remaining > 0 ? block.varint() : 0,
      }
    case 'diverged':
      return { ...name, type, epoch: block.varint() - 1, end: block.varint() }
    case 'behind':
      return { ...name, type }
    case 'error':
      return { ...name, type, error: readError(block) }
    default:
      throw tooNew('says something of a partition')
  }
}

/** What an entry is told by its distance from: the one before it. */
type Place = Pick<StoredEntry, 'index' | 'epoch' | 'baseOffset' | 'count' | 'appendTime'>

const START: Place = { index: -1, epoch: 0, baseOffset: 0, count: 0, appendTime: 0 }

export function writeEntries(
  writer: ByteWriter,
  attach: (payload: Uint8Array) => void,
  entries: readonly StoredEntry[],
): void {
  let before = START
  writeList(
    writer,
    entries,
    () => ENTRY_BYTES,
    (entry) => {
      writer.zigzag(entry.index - before.index - 1)
      writer.zigzag(entry.epoch - before.epoch)
      writer.u8(KIND_CODES.get(entry.kind)!)
      writer.varint(entry.version)
      writer.zigzag(entry.baseOffset - before.baseOffset - before.count)
      writer.varint(entry.count)
      writer.zigzag(entry.appendTime - before.appendTime)
      writer.zigzag(entry.safeTime - entry.appendTime)
      attach(entry.payload)
      before = entry
    },
  )
}

export function readEntries(bytes: Uint8Array, reader: ByteReader, payloads: ByteReader): StoredEntry[] {
  let before = START
  return readList(bytes, reader, (block) => {
    const index = readDistance(block, before.index + 1)
    const epoch = readDistance(block, before.epoch)
    const kind = ENTRY_KINDS[block.u8()]
    if (kind === undefined) throw tooNew('has an entry of a kind')
    const version = block.varint()
    const baseOffset = readDistance(block, before.baseOffset + before.count)
    const count = block.varint()
    const appendTime = readDistance(block, before.appendTime)
    const safeTime = readDistance(block, appendTime)
    const payload = readPayload(block, payloads)
    const entry = { index, epoch, kind, version, baseOffset, count, appendTime, safeTime, payload }
    before = entry
    return entry
  })
}

function sizeOf(result: FetchResult): number {
  return result.type === 'entries' ? 16 + result.entries.length * ENTRY_BYTES : 16
}

function tooNew(what: string): PortalError<'UNSUPPORTED'> {
  return new PortalError(
    'UNSUPPORTED',
    `The leader ${what} that this build does not know. Install a newer portal-mq here.`,
  )
}
