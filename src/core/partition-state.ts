import { BatchDirectory } from './batch-directory.js'
import { DedupeWindow } from './dedupe-window.js'
import type { StoredEntry } from './entry.js'
import type {
  AcquireBody,
  EntryBody,
  GroupBody,
  MessagesBody,
  SettleAnswer,
  SettleBody,
  TrimBody,
} from './entry-body.js'
import { PortalError } from './errors.js'
import { ProducerWindows } from './producer-window.js'
import { Queue } from './queue.js'
import { selectTrimmed } from './trim.js'

/** How many answers to numbered settle requests are remembered for each consumer. */
const ANSWERS = 5
/** How long a silent consumer's answers are remembered (ms of safe time). */
const ANSWERS_LIFETIME = 600_000

/**
 * All that the log of one partition says, computed by `apply` from its entries in order: the same entries give the same
 * state on every replica. It knows no clock but the times in the entries.
 */
export class PartitionState {
  /** The index that the next entry gets. */
  nextIndex = 0
  /** The epoch of the last entry; -1 before the first. */
  lastEpoch = -1
  /** The offset that the next message gets. */
  nextOffset = 0
  appendTime = 0
  safeTime = 0
  /** Flat pairs (epoch, index of its first entry), rising. */
  readonly epochs: number[] = []
  readonly directory = new BatchDirectory()
  readonly producers = new ProducerWindows()
  readonly dedupe = new DedupeWindow()
  readonly queues = new Map<string, Queue>()
  /** Consumer (of a group) -> its last answers; in the order of their last one. */
  readonly answers = new Map<string, RememberedAnswers>()
  dedupeLimits = { window: 600_000, ids: 1_000_000 }
  /**
   * Batches that are trimmed and still stored, as flat index ranges, rising. Their rows may go once a snapshot covers the trim:
   * a replay from an older one still needs them.
   */
  toDelete: number[] = []

  apply(entry: StoredEntry, body: EntryBody): void {
    if (entry.index !== this.nextIndex) {
      throw new PortalError('CORRUPT', `Entry ${entry.index} came where ${this.nextIndex} was expected.`)
    }
    if (entry.epoch !== this.lastEpoch) this.#startEpoch(entry)
    this.nextIndex = entry.index + 1
    this.appendTime = entry.appendTime
    this.safeTime = entry.safeTime
    switch (body.kind) {
      case 'messages':
        this.#applyMessages(entry, body)
        break
      case 'acquire':
        this.#applyAcquire(entry, body)
        break
      case 'settle':
        this.#applySettle(body)
        break
      case 'group':
        this.#applyGroup(body)
        break
      case 'topic':
        this.dedupeLimits = body.dedupe
        this.dedupe.expire(this.safeTime, this.dedupeLimits)
        break
      case 'trim':
        this.#applyTrim(body)
        break
      case 'epoch':
        break
    }
  }

  /** The remembered answer to a settle request, if it was answered before. */
  findAnswer(group: string, consumer: string, number: number): SettleAnswer | undefined {
    return this.answers.get(answersKey(group, consumer))?.list.find((answer) => answer.number === number)
  }

  #startEpoch(entry: StoredEntry): void {
    if (entry.epoch < this.lastEpoch) {
      throw new PortalError(
        'CORRUPT',
        `Entry ${entry.index} has epoch ${entry.epoch} after epoch ${this.lastEpoch}.`,
      )
    }
    this.lastEpoch = entry.epoch
    this.epochs.push(entry.epoch, entry.index)
  }

  #applyMessages(entry: StoredEntry, { header, ids, bytes }: MessagesBody): void {
    if (header.producerId !== '') {
      this.producers.record(
        header.producerId,
        header.producerEpoch,
        header.baseSequence,
        header.count,
        header.sequenceSkip,
        entry.baseOffset,
        entry.safeTime,
      )
    }
    this.producers.expire(entry.safeTime)
    this.dedupe.expire(entry.safeTime, this.dedupeLimits)
    if (header.count === 0) return
    ids?.forEach((id, at) => {
      if (id !== undefined) this.dedupe.record(id, entry.baseOffset + at, entry.safeTime)
    })
    if (ids) this.dedupe.expire(entry.safeTime, this.dedupeLimits)
    this.directory.append({
      index: entry.index,
      baseOffset: entry.baseOffset,
      count: header.count,
      bytes,
      appendTime: entry.appendTime,
    })
    this.nextOffset = entry.baseOffset + header.count
  }

  #applyAcquire(entry: StoredEntry, body: AcquireBody): void {
    body.grants.forEach((grant, slot) => {
      this.#queue(grant.group).acquire({ epoch: entry.epoch, index: entry.index, slot }, grant)
    })
  }

  #applySettle(body: SettleBody): void {
    for (const item of body.items) this.#queue(item.group).settle(item)
    for (const answer of body.answers) this.rememberAnswer(answer, this.safeTime)
    for (const [key, remembered] of this.answers) {
      if (remembered.time + ANSWERS_LIFETIME > this.safeTime) break
      this.answers.delete(key)
    }
  }

  rememberAnswer(answer: SettleAnswer, time: number): void {
    const key = answersKey(answer.group, answer.consumer)
    const list = this.answers.get(key)?.list ?? []
    this.answers.delete(key)
    list.push(answer)
    if (list.length > ANSWERS) list.shift()
    this.answers.set(key, { list, time })
  }

  #applyGroup(body: GroupBody): void {
    if (body.change.type === 'deleted') {
      this.queues.delete(body.group)
      return
    }
    const queue = new Queue(body.group, body.change.generation, body.change.start)
    this.#skipMissing(queue)
    this.queues.set(body.group, queue)
  }

  /** What is stored no more when a group begins counts as settled for it. */
  #skipMissing(queue: Queue): void {
    let end = queue.start
    this.directory.walk(queue.start, (place) => {
      if (place.baseOffset > end) queue.skipMissing(end, place.baseOffset)
      end = Math.max(end, place.baseOffset + place.count)
      return true
    })
    queue.skipMissing(end, this.nextOffset)
  }

  #applyTrim(body: TrimBody): void {
    const places = selectTrimmed(this, body)
    for (const place of places) {
      for (const queue of this.queues.values()) queue.expire(place.baseOffset, place.baseOffset + place.count)
    }
    this.directory.remove(places)
    const indexes = [
      ...pairs(this.toDelete),
      ...places.map((place) => [place.index, place.index + 1] as const),
    ]
    this.toDelete = joinIndexes(
      indexes.sort((a, b) => a[0] - b[0]),
      this.directory,
    )
  }

  #queue(group: string): Queue {
    const queue = this.queues.get(group)
    if (!queue) throw new PortalError('CORRUPT', `The log names group ${group}, which it has not made.`)
    return queue
  }
}

export interface RememberedAnswers {
  readonly list: SettleAnswer[]
  readonly time: number
}

function answersKey(group: string, consumer: string): string {
  return `${group}\n${consumer}`
}

/** Joins ranges between which no batch is stored: state entries that lie between are no batches. */
function joinIndexes(ranges: readonly (readonly [number, number])[], directory: BatchDirectory): number[] {
  const joined: number[] = []
  for (const [from, to] of ranges) {
    const last = joined.length - 1
    if (last > 0 && !directory.hasIndexBetween(joined[last]!, from)) joined[last] = to
    else joined.push(from, to)
  }
  return joined
}

function* pairs(flat: readonly number[]): Generator<readonly [number, number]> {
  for (let at = 0; at < flat.length; at += 2) yield [flat[at]!, flat[at + 1]!]
}
