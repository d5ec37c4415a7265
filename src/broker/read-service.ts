import type { BatchPlace } from '../core/batch-directory.js'
import { PortalError } from '../core/errors.js'
import type { CallOptions, Position, ReadRequest, ReadResponse } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { sleepUntil } from '../runtime/wait.js'
import type { Partition } from './partition.js'

/** The most that one read returns (bytes), but one batch at least. */
const MAX_BYTES = 4 << 20

/** Committed batches from an offset on. Sleeps at the end of the log if asked to. */
export async function read(
  partition: Partition,
  request: ReadRequest,
  call: CallOptions,
  runtime: Runtime,
): Promise<ReadResponse> {
  await confirmEnd(partition, request.offset)
  checkOffset(partition, request.offset)
  if (request.offset >= partition.committedOffset && (request.wait ?? 0) > 0) {
    await untilCommitted(partition, request.offset, request.wait, call, runtime)
  }
  if (partition.closed) throw partition.closed
  const endOffset = partition.committedOffset
  const places = placesFrom(partition, request.offset, endOffset, Math.min(request.maxBytes, MAX_BYTES))
  const entries = await partition.reader.entries(places)
  // What is passed over was trimmed, and may come back with a crash until the trim is committed.
  if (entries.length < places.length || hasGap(places, request.offset, endOffset)) await partition.caughtUp()
  const last = places[places.length - 1]
  const nextOffset = last ? last.baseOffset + last.count : Math.max(request.offset, endOffset)
  return {
    batches: entries.map(({ baseOffset, payload }) => ({ baseOffset, records: payload })),
    nextOffset,
    endOffset,
  }
}

/** The offset that a position stands for, once all that it rests on is committed. */
export async function findCommittedOffset(partition: Partition, at: Position): Promise<number> {
  if (typeof at === 'object' && 'offset' in at) await confirmEnd(partition, at.offset)
  const offset = findOffset(partition, at)
  if (at === 'earliest' || (typeof at === 'object' && 'time' in at)) await partition.caughtUp()
  return offset
}

/** The offset that a position stands for. Times are those of appending. */
export function findOffset(partition: Partition, at: Position): number {
  const { directory } = partition.state
  const end = partition.committedOffset
  if (at === 'latest') return end
  if (at === 'earliest') return Math.min(directory.firstOffset ?? end, end)
  if ('offset' in at) {
    checkOffset(partition, at.offset)
    return at.offset
  }
  return Math.min(directory.findTime(at.time)?.baseOffset ?? end, end)
}

/** What is above the end here may be below another's that leads by now, and was shown: nobody is told that it is not there (invariant 7). */
async function confirmEnd(partition: Partition, offset: number): Promise<void> {
  if (offset > partition.committedOffset) await partition.confirm()
}

function checkOffset(partition: Partition, offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `An offset must be a whole number of at least 0, not ${offset}.`,
    )
  }
  if (offset <= partition.committedOffset) return
  throw new PortalError(
    'OFFSET_OUT_OF_RANGE',
    `Offset ${offset} is above the end of ${partition.topic.name}/${partition.partition}, which is ${partition.committedOffset}.`,
  )
}

async function untilCommitted(
  partition: Partition,
  offset: number,
  timeout: number | undefined,
  call: CallOptions,
  runtime: Runtime,
): Promise<void> {
  await sleepUntil<true>(runtime.timers, 'read', { timeout, signal: call.signal }, (resolve, reject) => {
    let forget = () => {}
    const check = () => {
      if (partition.closed) reject(partition.closed)
      else if (partition.committedOffset > offset) resolve(true)
      else forget = partition.onceCommitted(check)
    }
    check()
    return () => forget()
  })
}

function hasGap(places: readonly BatchPlace[], from: number, end: number): boolean {
  if (places.length === 0) return from < end
  let next = from
  for (const { baseOffset, count } of places) {
    if (baseOffset > next) return true
    next = baseOffset + count
  }
  return false
}

function placesFrom(partition: Partition, offset: number, end: number, maxBytes: number): BatchPlace[] {
  const places: BatchPlace[] = []
  let bytes = 0
  partition.state.directory.walk(offset, (place) => {
    if (place.baseOffset >= end) return false
    places.push(place)
    bytes += place.bytes
    return bytes < maxBytes
  })
  return places
}
