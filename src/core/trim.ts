import type { BatchDirectory, BatchPlace } from './batch-directory.js'
import type { TrimBody } from './entry-body.js'
import type { Queue } from './queue.js'

/** The most batches that one `trim` entry removes: what a commit deletes stays small. */
const MAX_TRIMMED = 256

/** What a trim looks at: a partition's state. */
export interface Trimmable {
  readonly directory: BatchDirectory
  readonly queues: ReadonlyMap<string, Queue>
}

/**
 * The batches that a trim removes: a pure function of the state and the log below the bound. Messages that are leased or
 * dying in some group keep their batch.
 *
 * - consumed: settled by every group, and there is a group.
 * - age, bytes: whatever lies within the bound, settled or not.
 */
export function selectTrimmed(state: Trimmable, trim: TrimBody, limit = MAX_TRIMMED): BatchPlace[] {
  const queues = [...state.queues.values()]
  if (trim.reason === 'consumed' && queues.length === 0) return []
  const goes = (start: number, end: number) =>
    trim.reason === 'consumed'
      ? queues.every((queue) => isSettled(queue, start, end))
      : queues.every((queue) => isUntouched(queue, start, end))
  const within = (index: number, time: number) => index < trim.boundIndex && time <= trim.boundTime
  return state.directory.select(
    (chunk) => {
      if (!within(chunk.firstIndex, chunk.firstTime)) return 'stop'
      if (trim.reason !== 'consumed') return 'some'
      return queues.some((queue) => noneSettled(queue, chunk.firstOffset, chunk.endOffset)) ? 'none' : 'some'
    },
    (place) =>
      within(place.index, place.appendTime) && goes(place.baseOffset, place.baseOffset + place.count),
    limit,
  )
}

function noneSettled(queue: Queue, start: number, end: number): boolean {
  const from = Math.max(start, queue.start)
  return from < end && queue.settled.countIn(from, end) === 0
}

function isSettled(queue: Queue, start: number, end: number): boolean {
  const from = Math.max(start, queue.start)
  return from >= end || queue.settled.nextMissing(from) >= end
}

/** Whether no message of the range is leased or dying. */
function isUntouched(queue: Queue, start: number, end: number): boolean {
  if (queue.leased === 0 && queue.dying === 0) return true
  const settledOrFree = (offset: number) =>
    offset >= queue.cursor ||
    offset < queue.start ||
    queue.settled.has(offset) ||
    queue.free.has(offset) ||
    queue.suspects.has(offset) ||
    queue.troubles.get(offset)?.due !== undefined
  for (let offset = start; offset < end; offset++) if (!settledOrFree(offset)) return false
  return true
}

/** The bounds of a `bytes` trim: below which index the oldest batches go so that at most `limit` bytes remain. */
export function bytesBound(state: Trimmable, limit: number): number | undefined {
  let excess = state.directory.bytes - limit
  if (excess <= 0) return undefined
  let bound: number | undefined
  state.directory.walk(0, (place) => {
    bound = place.index + 1
    excess -= place.bytes
    return excess > 0
  })
  return bound
}
