import type { ByteReader, ByteWriter } from './bytes.js'
import { PortalError } from './errors.js'

/** A producer that is silent for so long is forgotten (ms of safe time). It then begins anew, with a new id. */
const PRODUCER_LIFETIME = 24 * 3_600_000

/** How many stretches of remembered sequences a producer has; a client keeps fewer batches than that in flight. */
const RUNS = 256

/** Producers whose id begins so are the broker's own (dead letters): gaps are allowed and they are never forgotten. */
export const INTERNAL_PRODUCER_PREFIX = '!'

/** What to do with a batch: its first `skip` records are stored already, at the offsets that `runs` says. */
export interface SequenceCheck {
  readonly skip: number
  /** Flat pairs (count, first offset; -1: stored as a duplicate of an `id`) that cover the skipped records. */
  readonly known: readonly number[]
}

const NEW: SequenceCheck = { skip: 0, known: [] }

/**
 * What a partition remembers of each idempotent producer: its epoch, the sequence it must send next, and where its last messages
 * went (invariants 14 and 15). A pure function of the log.
 */
export class ProducerWindows {
  /** In the order of their last batch. */
  readonly #producers = new Map<string, ProducerState>()
  /** Changed since the last snapshot. */
  dirty = false

  get size(): number {
    return this.#producers.size
  }

  /** Decides about `count` sequences from `base` on. Throws SEQUENCE_REFUSED when they are not next in line. */
  check(id: string, epoch: number, base: number, count: number): SequenceCheck {
    const producer = this.#producers.get(id)
    if (!producer || epoch > producer.epoch) {
      if (base === 0 || isInternal(id)) return NEW
      throw refused(
        id,
        `begins with sequence ${base}, where 0 is expected: it is unknown here, or was forgotten`,
      )
    }
    if (epoch < producer.epoch)
      throw refused(id, `has epoch ${epoch}, which epoch ${producer.epoch} has ended`)
    if (base === producer.next || (isInternal(id) && base > producer.next)) return NEW
    if (base > producer.next) throw refused(id, `sent sequence ${base}, where ${producer.next} is expected`)
    const skip = Math.min(count, producer.next - base)
    return { skip, known: isInternal(id) ? [skip, -1] : recall(id, producer, base, skip) }
  }

  /** `count` messages from sequence `base` on are stored from `offset` on; `after` more sequences are used up. */
  record(
    id: string,
    epoch: number,
    base: number,
    count: number,
    after: number,
    offset: number,
    safeTime: number,
  ): void {
    let producer = this.#producers.get(id)
    // Away and back: the map is in the order of the last batches.
    this.#producers.delete(id)
    if (!producer || producer.epoch !== epoch) producer = { epoch, next: base, runs: [], lastTime: safeTime }
    this.#producers.set(id, producer)
    producer.next = base + count + after
    producer.lastTime = safeTime
    if (count > 0 && !isInternal(id)) remember(producer.runs, base, count, offset)
    this.dirty = true
  }

  /** Forgets those that have been silent for too long. */
  expire(safeTime: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastTime + PRODUCER_LIFETIME > safeTime) return
      if (isInternal(id)) {
        // Never forgotten; moved out of the way, with its time, so that the search can go on.
        this.#producers.delete(id)
        this.#producers.set(id, { ...producer, lastTime: safeTime })
      } else this.#producers.delete(id)
      this.dirty = true
    }
  }

  encode(writer: ByteWriter): void {
    writer.varint(this.#producers.size)
    for (const [id, producer] of this.#producers) {
      writer.string(id)
      writer.varint(producer.epoch)
      writer.varint(producer.next)
      writer.varint(producer.lastTime)
      writer.varint(producer.runs.length)
      for (const run of producer.runs) {
        writer.varint(run.base)
        writer.varint(run.count)
        writer.varint(run.offset)
      }
    }
  }

  decode(reader: ByteReader): void {
    for (let left = reader.varint(); left > 0; left--) {
      const id = reader.string()
      const producer: ProducerState = {
        epoch: reader.varint(),
        next: reader.varint(),
        lastTime: reader.varint(),
        runs: [],
      }
      for (let runs = reader.varint(); runs > 0; runs--) {
        producer.runs.push({ base: reader.varint(), count: reader.varint(), offset: reader.varint() })
      }
      this.#producers.set(id, producer)
    }
  }
}

interface ProducerState {
  readonly epoch: number
  next: number
  /** Safe time of its last batch. */
  lastTime: number
  /** Rising by base. */
  readonly runs: Run[]
}

/** Sequences [base, base + count) are stored at offsets [offset, offset + count). */
interface Run {
  readonly base: number
  count: number
  readonly offset: number
}

function isInternal(id: string): boolean {
  return id.startsWith(INTERNAL_PRODUCER_PREFIX)
}

function remember(runs: Run[], base: number, count: number, offset: number): void {
  const last = runs[runs.length - 1]
  if (last && last.base + last.count === base && last.offset + last.count === offset) last.count += count
  else {
    runs.push({ base, count, offset })
    if (runs.length > RUNS) runs.shift()
  }
}

function recall(id: string, producer: ProducerState, base: number, count: number): number[] {
  const known: number[] = []
  const end = base + count
  const first = producer.runs[0]
  // With fewer stretches than the limit none was forgotten: what is not in one was dropped as a duplicate.
  if (first && base < first.base && producer.runs.length >= RUNS) {
    throw refused(id, `repeated sequence ${base}, which is older than what is remembered of it`)
  }
  let at = base
  for (const run of producer.runs) {
    const from = Math.max(at, run.base)
    const to = Math.min(end, run.base + run.count)
    if (from >= to) continue
    if (from > at) known.push(from - at, -1)
    known.push(to - from, run.offset + (from - run.base))
    at = to
  }
  if (at < end) known.push(end - at, -1)
  return known
}

function refused(id: string, why: string): PortalError<'SEQUENCE_REFUSED'> {
  return new PortalError(
    'SEQUENCE_REFUSED',
    `Producer ${id} ${why}. Nothing was stored. A new producer begins anew.`,
  )
}
