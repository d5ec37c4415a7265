import { ByteReader, expectEnd, seal, sealedWriter, unseal } from './bytes.js'
import type { Crc32 } from './crc32.js'
import { PortalError } from './errors.js'
import { PartitionState } from './partition-state.js'
import type { Queue } from './queue.js'
import { decodeQueueHead, encodeQueueHead, loadQueuePage, takeQueuePages } from './queue-codec.js'
import { readRanges, writeRanges } from './ranges.js'

const SNAPSHOT_VERSION = 1

/** Which page of the stored snapshot has which id. Ids are never used twice: pages are copied on write. */
export class SnapshotBook {
  readonly ids = new Map<string, number>()
  nextId = 1
}

export interface EncodedSnapshot {
  readonly index: number
  readonly epoch: number
  readonly pages: readonly number[]
  readonly payload: Uint8Array
  /** To be stored before the header. */
  readonly newPages: readonly { readonly id: number; readonly payload: Uint8Array }[]
  /** To be dropped after it. */
  readonly droppedPages: readonly number[]
}

/** What must be written so that the stored snapshot equals `state`: the pages that changed since the last call, and the header. */
export function encodeSnapshot(state: PartitionState, book: SnapshotBook, crc32: Crc32): EncodedSnapshot {
  const newPages: { id: number; payload: Uint8Array }[] = []
  const droppedPages: number[] = []
  const put = (key: string, payload: Uint8Array | undefined) => {
    const old = book.ids.get(key)
    if (old !== undefined) droppedPages.push(old)
    book.ids.delete(key)
    if (payload === undefined) return
    const writer = sealedWriter(payload.length + 4)
    writer.raw(payload)
    const id = book.nextId++
    book.ids.set(key, id)
    newPages.push({ id, payload: seal(writer, crc32) })
  }
  for (const [chunk, payload] of state.directory.takeDirtyPages()) put(`directory/${chunk}`, payload)
  for (const [page, payload] of state.dedupe.takeDirtyPages()) put(`dedupe/${page}`, payload)
  if (state.producers.dirty) put('producers', encodeProducers(state))
  for (const queue of state.queues.values()) {
    for (const [page, payload] of takeQueuePages(queue)) put(queuePageKey(queue, page), payload)
  }
  for (const key of [...book.ids.keys()]) if (isStale(key, state)) put(key, undefined)
  return {
    index: state.nextIndex,
    epoch: state.lastEpoch,
    pages: [...book.ids.values()],
    payload: encodeHeader(state, book, crc32),
    newPages,
    droppedPages,
  }
}

/** The state and the book that a stored snapshot holds. Throws CORRUPT, or UNSUPPORTED for a newer format. */
export function decodeSnapshot(
  header: Uint8Array,
  pages: readonly Uint8Array[],
  crc32: Crc32,
): { state: PartitionState; book: SnapshotBook } {
  const reader = new ByteReader(unseal(header, crc32))
  const version = reader.u8()
  if (version > SNAPSHOT_VERSION) {
    throw new PortalError(
      'UNSUPPORTED',
      `A snapshot has format version ${version}, this build reads up to ${SNAPSHOT_VERSION}. Install a newer portal-mq.`,
    )
  }
  const state = new PartitionState()
  const book = new SnapshotBook()
  const { dedupeSize } = readScalars(reader, state)
  const finishers = readQueues(reader, state)
  readAnswers(reader, state)
  book.nextId = reader.varint()
  const keys = readKeys(reader, book)
  expectEnd(reader)
  if (keys.length !== pages.length)
    throw new PortalError('CORRUPT', 'A snapshot header names pages that are missing.')
  // Oldest first: a page that was rewritten stands late in the list.
  const byNumber = keys.map((key, at) => ({ key, number: pageNumber(key), page: pages[at]! }))
  byNumber.sort((a, b) => a.number - b.number)
  for (const { key, page } of byNumber) loadPage(state, key, new ByteReader(unseal(page, crc32)))
  for (const finish of finishers) finish()
  // Pages are not rewritten when ids in them are forgotten: what the header does not count is forgotten again.
  state.dedupe.keepNewest(dedupeSize)
  return { state, book }
}

function encodeHeader(state: PartitionState, book: SnapshotBook, crc32: Crc32): Uint8Array {
  const writer = sealedWriter()
  writer.u8(SNAPSHOT_VERSION)
  writer.varint(state.nextIndex)
  writer.varint(state.lastEpoch + 1)
  writer.varint(state.nextOffset)
  writer.varint(state.appendTime)
  writer.varint(state.safeTime)
  writer.varint(state.epochs.length)
  for (const value of state.epochs) writer.varint(value)
  writer.varint(state.dedupeLimits.window)
  writer.varint(state.dedupeLimits.ids)
  writer.varint(state.dedupe.size)
  writeRanges(writer, state.toDelete)
  writer.varint(state.queues.size)
  for (const queue of state.queues.values()) {
    writer.string(queue.group)
    encodeQueueHead(writer, queue)
  }
  writer.varint(state.answers.size)
  for (const [key, remembered] of state.answers) {
    writer.string(key)
    writer.varint(remembered.time)
    writer.varint(remembered.list.length)
    for (const answer of remembered.list) {
      writer.varint(answer.number)
      writer.varint(answer.lost.length)
      for (const ranges of answer.lost) writeRanges(writer, ranges)
    }
  }
  writer.varint(book.nextId)
  writer.varint(book.ids.size)
  for (const [key, id] of book.ids) {
    writer.string(key)
    writer.varint(id)
  }
  return seal(writer, crc32)
}

function readScalars(reader: ByteReader, state: PartitionState): { readonly dedupeSize: number } {
  state.nextIndex = reader.varint()
  state.lastEpoch = reader.varint() - 1
  state.nextOffset = reader.varint()
  state.appendTime = reader.varint()
  state.safeTime = reader.varint()
  for (let left = reader.varint(); left > 0; left--) state.epochs.push(reader.varint())
  state.dedupeLimits = { window: reader.varint(), ids: reader.varint() }
  const dedupeSize = reader.varint()
  state.toDelete = readRanges(reader)
  return { dedupeSize }
}

function readQueues(reader: ByteReader, state: PartitionState): (() => void)[] {
  const finishers: (() => void)[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const group = reader.string()
    const { queue, finish } = decodeQueueHead(reader, group)
    state.queues.set(group, queue)
    finishers.push(finish)
  }
  return finishers
}

function readAnswers(reader: ByteReader, state: PartitionState): void {
  for (let left = reader.varint(); left > 0; left--) {
    const key = reader.string()
    // A group's name has no line break; what a consumer calls itself may.
    const group = key.slice(0, key.indexOf('\n'))
    const consumer = key.slice(group.length + 1)
    const time = reader.varint()
    for (let count = reader.varint(); count > 0; count--) {
      const number = reader.varint()
      const lost: number[][] = []
      for (let lists = reader.varint(); lists > 0; lists--) lost.push(readRanges(reader))
      state.rememberAnswer({ group, consumer, number, lost }, time)
    }
  }
}

function readKeys(reader: ByteReader, book: SnapshotBook): string[] {
  const keys: string[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const key = reader.string()
    book.ids.set(key, reader.varint())
    keys.push(key)
  }
  return keys
}

function encodeProducers(state: PartitionState): Uint8Array {
  const writer = sealedWriter()
  state.producers.encode(writer)
  state.producers.dirty = false
  return writer.finish().subarray(4)
}

function loadPage(state: PartitionState, key: string, reader: ByteReader): void {
  const [kind, group = ''] = key.split('/')
  const number = pageNumber(key)
  if (kind === 'directory') state.directory.loadPage(number, reader)
  else if (kind === 'dedupe') state.dedupe.loadPage(number, reader)
  else if (kind === 'producers') state.producers.decode(reader)
  else if (kind === 'queue') loadQueuePage(queueOf(state, group), number, reader)
  else throw new PortalError('CORRUPT', `A snapshot holds a page of an unknown kind: ${key}.`)
}

function queueOf(state: PartitionState, group: string): Queue {
  const queue = state.queues.get(group)
  if (!queue)
    throw new PortalError('CORRUPT', `A snapshot holds a page of group ${group}, which it does not name.`)
  return queue
}

function pageNumber(key: string): number {
  return key === 'producers' ? 0 : Number(key.slice(key.lastIndexOf('/') + 1))
}

function queuePageKey(queue: Queue, page: number): string {
  return `queue/${queue.group}/${queue.generation}/${page}`
}

/** Whether a page belongs to a queue that was deleted or began anew, or to offsets that are all settled by now. */
function isStale(key: string, state: PartitionState): boolean {
  const [kind, group = '', generation] = key.split('/')
  return kind === 'queue' && state.queues.get(group)?.generation !== Number(generation)
}
