import type { Crc32 } from '../core/crc32.js'
import { PortalError } from '../core/errors.js'
import type { PartitionState } from '../core/partition-state.js'
import { INTERNAL_PRODUCER_PREFIX, type SequenceCheck } from '../core/producer-window.js'
import { type RecordBatchHeader, readBatchHeader } from '../core/record-batch-header.js'
import { recutBatch } from '../core/record-batch-recut.js'
import { recordIds } from '../core/record-batch-view.js'

/** What a leader does with a record batch: the batches to append, and the answer, whose offsets they will have. */
export interface AppendPlan {
  readonly batches: readonly PlannedBatch[]
  /** Flat triples (count, first offset, 1 if duplicates of an `id` else 0). */
  readonly runs: readonly number[]
}

export interface PlannedBatch {
  readonly records: Uint8Array
  readonly header: RecordBatchHeader
  readonly ids: readonly (string | undefined)[] | undefined
}

/**
 * Decides about a batch against the speculative state: stored before (a retry), duplicates of an `id`, or new. A batch that is
 * new only in part is cut anew. Ids are remembered as of `safeTime`, that of the entry to come. Throws SEQUENCE_REFUSED.
 */
export function planAppend(
  state: PartitionState,
  records: Uint8Array,
  header: RecordBatchHeader,
  crc32: Crc32,
  safeTime = state.safeTime,
): AppendPlan {
  const check = checkSequence(state, header)
  const ids = header.hasIds ? recordIds(records) : undefined
  const known = (id: string) => state.dedupe.findAt(id, safeTime, state.dedupeLimits)
  if (check.skip === 0 && !ids?.some((id) => id !== undefined && known(id) !== undefined) && !repeats(ids)) {
    return { batches: [{ records, header, ids }], runs: [header.count, state.nextOffset, 0] }
  }
  return planPartly(state, records, header, check, ids, known, crc32)
}

function checkSequence(state: PartitionState, header: RecordBatchHeader): SequenceCheck {
  if (header.producerId === '') return { skip: 0, known: [] }
  return state.producers.check(header.producerId, header.producerEpoch, header.baseSequence, header.count)
}

function repeats(ids: readonly (string | undefined)[] | undefined): boolean {
  if (!ids) return false
  const present = ids.filter((id) => id !== undefined)
  return new Set(present).size < present.length
}

/** Record by record: what is known is answered, what is new is cut into batches of neighbours. */
function planPartly(
  state: PartitionState,
  records: Uint8Array,
  header: RecordBatchHeader,
  check: SequenceCheck,
  ids: readonly (string | undefined)[] | undefined,
  find: (id: string) => number | undefined,
  crc32: Crc32,
): AppendPlan {
  const runs = new RunList()
  answerKnown(state, header, check, ids, runs)
  const fresh: boolean[] = []
  const seen = new Map<string, number>()
  let offset = state.nextOffset
  for (let at = check.skip; at < header.count; at++) {
    const id = ids?.[at]
    const known = id === undefined ? undefined : (find(id) ?? seen.get(id))
    fresh.push(known === undefined)
    if (known !== undefined) runs.push(known, true)
    else {
      if (id !== undefined) seen.set(id, offset)
      runs.push(offset++, false)
    }
  }
  return { batches: cutFresh(records, header, check.skip, fresh, crc32), runs: runs.flat }
}

/** A retry reads as it did the first time: an `id` that was a duplicate then is one now. */
function answerKnown(
  state: PartitionState,
  header: RecordBatchHeader,
  check: SequenceCheck,
  ids: readonly (string | undefined)[] | undefined,
  runs: RunList,
): void {
  let at = 0
  for (let pair = 0; pair < check.known.length; pair += 2) {
    const count = check.known[pair]!
    const offset = check.known[pair + 1]!
    for (let i = 0; i < count; i++, at++) {
      if (offset >= 0) runs.push(offset + i, false)
      else runs.push(duplicateOffset(state, header, ids?.[at]), true)
    }
  }
}

function duplicateOffset(state: PartitionState, header: RecordBatchHeader, id: string | undefined): number {
  const offset = id === undefined ? undefined : state.dedupe.find(id)
  if (offset !== undefined) return offset
  if (header.producerId.startsWith(INTERNAL_PRODUCER_PREFIX)) return 0
  throw new PortalError(
    'SEQUENCE_REFUSED',
    `Producer ${header.producerId} repeated a batch whose answer is no longer remembered. It was stored once.`,
  )
}

/** Batches of neighbouring new records; sequences of dropped ones ride along, so that none is missing. */
function cutFresh(
  records: Uint8Array,
  header: RecordBatchHeader,
  skip: number,
  fresh: readonly boolean[],
  crc32: Crc32,
): PlannedBatch[] {
  const batches: PlannedBatch[] = []
  let at = 0
  while (at < fresh.length) {
    const from = at
    while (fresh[at]) at++
    const to = at
    while (at < fresh.length && !fresh[at]) at++
    // An empty batch only moves the sequence on; without a producer there is none to move.
    if (from === to && header.producerId === '') continue
    batches.push(planned(recutBatch(records, skip + from, skip + to, at - to, crc32)))
  }
  return batches
}

function planned(records: Uint8Array): PlannedBatch {
  const header = readBatchHeader(records)
  return { records, header, ids: header.hasIds ? recordIds(records) : undefined }
}

/** Joins answers for neighbouring offsets. */
class RunList {
  readonly flat: number[] = []

  push(offset: number, duplicate: boolean): void {
    const last = this.flat.length - 3
    const mark = duplicate ? 1 : 0
    if (last >= 0 && this.flat[last + 2] === mark && this.flat[last + 1]! + this.flat[last]! === offset)
      this.flat[last]!++
    else this.flat.push(1, offset, mark)
  }
}
