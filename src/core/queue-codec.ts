import { type ByteReader, ByteWriter } from './bytes.js'
import type { OffsetSet } from './offset-set.js'
import { QUEUE_PAGE, Queue } from './queue.js'
import { countRanges, type Ranges, readRanges, writeRanges } from './ranges.js'

/**
 * A queue's snapshot: one head (counters, leases) that is always rewritten, and a page for each 65,536 offsets that are not all
 * settled. Only pages that changed are rewritten.
 */
export function encodeQueueHead(writer: ByteWriter, queue: Queue): void {
  writer.varint(queue.generation)
  writer.varint(queue.start)
  writer.varint(queue.floor)
  writer.varint(queue.cursor)
  writer.varint(queue.nextDyingSequence)
  const { acked, deadLettered, discarded, expired, missing } = queue.counts
  for (const count of [acked, deadLettered, discarded, expired, missing]) writer.varint(count)
  writer.varint(queue.leases.size)
  for (const lease of queue.leases.values()) {
    writer.varint(lease.key.epoch)
    writer.varint(lease.key.index)
    writer.varint(lease.key.slot)
    writer.string(lease.consumer)
    writer.u8(lease.local ? 1 : 0)
    writer.varint(lease.terms.length)
    for (const term of lease.terms) {
      writer.varint(term.duration)
      writeRanges(writer, term.offsets.ranges())
    }
  }
}

/** The queue without its leases, which need its pages first: `finish` adds them. */
export function decodeQueueHead(reader: ByteReader, group: string): { queue: Queue; finish: () => void } {
  const queue = new Queue(group, reader.varint(), reader.varint())
  const floor = reader.varint()
  queue.cursor = reader.varint()
  queue.nextDyingSequence = reader.varint()
  queue.settled.add(queue.start, floor)
  for (const count of ['acked', 'deadLettered', 'discarded', 'expired', 'missing'] as const) {
    queue.counts[count] = reader.varint()
  }
  const leases: (() => void)[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const key = { epoch: reader.varint(), index: reader.varint(), slot: reader.varint() }
    const consumer = reader.string()
    const local = reader.u8() === 1
    const terms: { duration: number; ranges: number[] }[] = []
    for (let count = reader.varint(); count > 0; count--) {
      terms.push({ duration: reader.varint(), ranges: readRanges(reader) })
    }
    leases.push(() => queue.restoreLease(key, consumer, local, terms))
  }
  return { queue, finish: () => leases.forEach((restore) => void restore()) }
}

/** The pages that changed since the last call, by number; undefined for one whose offsets are all settled. */
export function takeQueuePages(queue: Queue): Map<number, Uint8Array | undefined> {
  const pages = new Map<number, Uint8Array | undefined>()
  for (const page of queue.dirtyPages) pages.set(page, encodePage(queue, page))
  queue.dirtyPages.clear()
  return pages
}

function encodePage(queue: Queue, page: number): Uint8Array | undefined {
  const from = page * QUEUE_PAGE
  const to = from + QUEUE_PAGE
  if (to <= queue.floor) return undefined
  const writer = new ByteWriter()
  writeRanges(writer, queue.settled.ranges(from, to))
  writeRanges(writer, queue.free.ranges(from, to))
  writeRanges(writer, queue.suspects.ranges(from, to))
  const troubles = [...queue.troubles]
    .filter(([offset]) => offset >= from && offset < to)
    .sort((a, b) => a[0] - b[0])
  writer.varint(troubles.length)
  for (const [offset, trouble] of troubles) {
    writer.varint(offset - from)
    writer.varint(trouble.failures)
    writer.u8(
      (trouble.suspect ? 1 : 0) | (trouble.due === undefined ? 0 : 2) | (trouble.dying === undefined ? 0 : 4),
    )
    if (trouble.due !== undefined) writer.varint(trouble.due)
    if (trouble.dying !== undefined) writer.varint(trouble.dying)
    writer.string(trouble.reason)
  }
  return writer.finish()
}

export function loadQueuePage(queue: Queue, page: number, reader: ByteReader): void {
  const from = page * QUEUE_PAGE
  addRanges(queue.settled, readRanges(reader))
  addRanges(queue.free, readRanges(reader))
  addRanges(queue.suspects, readRanges(reader))
  for (let left = reader.varint(); left > 0; left--) {
    const offset = from + reader.varint()
    const failures = reader.varint()
    const flags = reader.u8()
    const due = flags & 2 ? reader.varint() : undefined
    const dying = flags & 4 ? reader.varint() : undefined
    queue.troubles.set(offset, { failures, suspect: (flags & 1) === 1, due, dying, reason: reader.string() })
    if (due !== undefined) queue.waiting++
    if (dying !== undefined) queue.dying++
  }
}

function addRanges(set: OffsetSet, ranges: Ranges): void {
  for (let at = 0; at < ranges.length; at += 2) set.add(ranges[at]!, ranges[at + 1]!)
}

/** Whether every message is in exactly one place (invariant 24); `end` is the end of the log. */
export function conservationError(queue: Queue, end: number): string | undefined {
  const { acked, deadLettered, discarded, expired, missing } = queue.counts
  const settled = acked + deadLettered + discarded + expired + missing
  const lost = `settled ${settled} counted, ${queue.settled.size} held`
  if (settled !== queue.settled.size) return lost
  const places = queue.available(end) + queue.leased + queue.waiting + queue.dying + settled
  if (places !== Math.max(end, queue.start) - queue.start) {
    return `${end - queue.start} appended, but ${queue.available(end)} available, ${queue.leased} leased, ${queue.waiting} waiting, ${queue.dying} dying, ${settled} settled`
  }
  let leased = 0
  for (const lease of queue.leases.values()) {
    for (const term of lease.terms) leased += countRanges(term.offsets.ranges())
  }
  return leased === queue.leased ? undefined : `${leased} messages in leases, ${queue.leased} counted`
}
