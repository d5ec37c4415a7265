import { ByteReader, type ByteWriter, expectEnd, seal, sealedWriter, unseal } from './bytes.js'
import type { Crc32 } from './crc32.js'
import type { EntryKind, StoredEntry } from './entry.js'
import { ENTRY_VERSION } from './entry.js'
import type {
  AcquireBody,
  EntryBody,
  GroupBody,
  LeaseKey,
  SettleAnswer,
  SettleBody,
  SettleChange,
  SettleItem,
  TrimBody,
} from './entry-body.js'
import { PortalError } from './errors.js'
import { readRanges, writeRanges } from './ranges.js'
import { readBatchHeader } from './record-batch-header.js'
import { recordIds } from './record-batch-view.js'

/** The sealed payload of an entry that is not `messages` (those are record batches already). */
export function encodeBody(body: Exclude<EntryBody, { kind: 'messages' }>, crc32: Crc32): Uint8Array {
  const writer = sealedWriter()
  switch (body.kind) {
    case 'acquire':
      writeAcquire(writer, body)
      break
    case 'settle':
      writeSettle(writer, body)
      break
    case 'group':
      writeGroup(writer, body)
      break
    case 'topic':
      writer.varint(body.dedupe.window)
      writer.varint(body.dedupe.ids)
      break
    case 'epoch':
      writer.string(body.leader)
      break
    case 'trim':
      writeTrim(writer, body)
      break
  }
  return seal(writer, crc32)
}

/** What a stored entry says. Throws CORRUPT when its bytes make no sense, UNSUPPORTED when a newer build wrote it. */
export function decodeBody(entry: StoredEntry, crc32: Crc32): EntryBody {
  if (entry.version > ENTRY_VERSION) {
    throw new PortalError(
      'UNSUPPORTED',
      `Entry ${entry.index} has format version ${entry.version}, this build reads up to ${ENTRY_VERSION}. Install a newer portal-mq.`,
    )
  }
  if (entry.kind === 'messages') {
    const header = readBatchHeader(entry.payload)
    const ids = header.hasIds ? recordIds(entry.payload) : undefined
    return { kind: 'messages', header, ids, bytes: entry.payload.length }
  }
  const reader = new ByteReader(unseal(entry.payload, crc32))
  const body = readBody(entry.kind, reader)
  expectEnd(reader)
  return body
}

function readBody(kind: Exclude<EntryKind, 'messages'>, reader: ByteReader): EntryBody {
  switch (kind) {
    case 'acquire':
      return readAcquire(reader)
    case 'settle':
      return readSettle(reader)
    case 'group':
      return readGroup(reader)
    case 'topic':
      return { kind, dedupe: { window: reader.varint(), ids: reader.varint() } }
    case 'epoch':
      return { kind, leader: reader.string() }
    case 'trim':
      return readTrim(reader)
    case 'schedule':
      throw new PortalError(
        'UNSUPPORTED',
        'This build does not know scheduled messages. Install a newer portal-mq.',
      )
  }
}

function writeAcquire(writer: ByteWriter, body: AcquireBody): void {
  writer.varint(body.grants.length)
  for (const grant of body.grants) {
    writer.string(grant.group)
    writer.string(grant.consumer)
    writer.u8(grant.local ? 1 : 0)
    writer.varint(grant.duration)
    writeRanges(writer, grant.ranges)
  }
}

function readAcquire(reader: ByteReader): AcquireBody {
  const grants = readList(reader, () => ({
    group: reader.string(),
    consumer: reader.string(),
    local: reader.u8() === 1,
    duration: reader.varint(),
    ranges: readRanges(reader),
  }))
  return { kind: 'acquire', grants }
}

const CHANGES = [
  'acked',
  'retry',
  'rejected',
  'discarded',
  'released',
  'suspected',
  'extended',
  'dead',
] as const

function writeSettle(writer: ByteWriter, body: SettleBody): void {
  writer.varint(body.items.length)
  for (const item of body.items) writeSettleItem(writer, item)
  writer.varint(body.answers.length)
  for (const answer of body.answers) writeAnswer(writer, answer)
}

function writeSettleItem(writer: ByteWriter, item: SettleItem): void {
  writer.string(item.group)
  writer.u8(CHANGES.indexOf(item.change.type) | (item.lease ? 0x80 : 0))
  if (item.lease) {
    writer.varint(item.lease.epoch)
    writer.varint(item.lease.index)
    writer.varint(item.lease.slot)
  }
  const change = item.change
  if (change.type === 'retry') writer.varint(change.due)
  if (change.type === 'rejected') writer.varint(change.sequence)
  if (change.type === 'extended') writer.varint(change.duration)
  if ('reason' in change) writer.string(change.reason)
  writeRanges(writer, item.ranges)
}

function readSettle(reader: ByteReader): SettleBody {
  const items = readList(reader, () => readSettleItem(reader))
  const answers = readList(reader, () => readAnswer(reader))
  return { kind: 'settle', items, answers }
}

function readSettleItem(reader: ByteReader): SettleItem {
  const group = reader.string()
  const tag = reader.u8()
  const lease: LeaseKey | undefined =
    tag & 0x80 ? { epoch: reader.varint(), index: reader.varint(), slot: reader.varint() } : undefined
  const change = readChange(reader, CHANGES[tag & 0x7f])
  return { group, lease, change, ranges: readRanges(reader) }
}

function readChange(reader: ByteReader, type: SettleChange['type'] | undefined): SettleChange {
  switch (type) {
    case undefined:
      throw new PortalError('CORRUPT', 'A settle entry holds an unknown change.')
    case 'retry':
      return { type, due: reader.varint(), reason: reader.string() }
    case 'rejected':
      return { type, sequence: reader.varint(), reason: reader.string() }
    case 'discarded':
      return { type, reason: reader.string() }
    case 'extended':
      return { type, duration: reader.varint() }
    default:
      return { type }
  }
}

function writeAnswer(writer: ByteWriter, answer: SettleAnswer): void {
  writer.string(answer.group)
  writer.string(answer.consumer)
  writer.varint(answer.number)
  writer.varint(answer.lost.length)
  for (const ranges of answer.lost) writeRanges(writer, ranges)
}

function readAnswer(reader: ByteReader): SettleAnswer {
  return {
    group: reader.string(),
    consumer: reader.string(),
    number: reader.varint(),
    lost: readList(reader, () => readRanges(reader)),
  }
}

function writeGroup(writer: ByteWriter, body: GroupBody): void {
  writer.string(body.group)
  writer.u8(body.change.type === 'started' ? 1 : 0)
  if (body.change.type === 'started') {
    writer.varint(body.change.generation)
    writer.varint(body.change.start)
  }
}

function readGroup(reader: ByteReader): GroupBody {
  const group = reader.string()
  const change =
    reader.u8() === 1
      ? ({ type: 'started', generation: reader.varint(), start: reader.varint() } as const)
      : ({ type: 'deleted' } as const)
  return { kind: 'group', group, change }
}

const TRIM_REASONS = ['consumed', 'age', 'bytes'] as const

function writeTrim(writer: ByteWriter, body: TrimBody): void {
  writer.u8(TRIM_REASONS.indexOf(body.reason))
  writer.varint(body.boundIndex)
  writer.varint(body.boundTime)
}

function readTrim(reader: ByteReader): TrimBody {
  const reason = TRIM_REASONS[reader.u8()]
  if (!reason) throw new PortalError('CORRUPT', 'A trim entry holds an unknown reason.')
  return { kind: 'trim', reason, boundIndex: reader.varint(), boundTime: reader.varint() }
}

function readList<T>(reader: ByteReader, read: () => T): T[] {
  const list: T[] = []
  for (let left = reader.varint(); left > 0; left--) list.push(read())
  return list
}
