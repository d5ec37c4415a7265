import type { ProducerBatch } from './batch.js'

/**
 * The batches of one partition, in the order in which they must be stored, and the sequences that make the broker keep that
 * order (invariant 14). Retries repeat a batch under the same sequence. Where a sequence will never arrive (its batch was
 * refused for good, or gave up undecided) the partition is *broken*: nothing more is sent until nothing is in flight;
 * then the epoch rises and what was certainly refused goes again from sequence 0.
 */
export class PartitionQueue {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** The producer's, in this partition; rises only. */
  epoch: number
  /** Undecided ones, the oldest first; decided ones among them go when they come to the front. */
  readonly batches: ProducerBatch[] = []
  /** The last of `batches`, while it takes messages. */
  open: ProducerBatch | undefined
  /** Its topic's route is being looked for, or its topic is gone. */
  blocked = false
  /** Monotonic: nothing is sent before. */
  retryAt = 0
  failures = 0
  /** When a batch of it was sent last (monotonic). */
  sentAt = 0
  /** Whether a timer will send from it. */
  wakes = false
  /** The sequence has a gap that will not be filled: what was refused is sent again under a new epoch. */
  isBroken = false
  #sending = 0
  #nextSequence = 0

  constructor(topic: string, topicId: string, partition: number, epoch: number) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.epoch = epoch
  }

  /** Those that are not decided, as of now. */
  pending(): ProducerBatch[] {
    return this.batches.filter(({ state }) => state !== 'decided')
  }

  /** The next batch that may be sent now. `onUndecided` gets those that a new epoch gives up. */
  next(now: number, onUndecided: (batch: ProducerBatch) => void): ProducerBatch | undefined {
    if (this.blocked || this.retryAt > now) return undefined
    if (this.isBroken) {
      if (this.#sending > 0) return undefined
      // Once more under its sequence, alone: if a copy of it is stored, this is answered as that.
      const doubtful = this.batches.find((batch) => batch.state === 'waiting' && batch.isDoubtful)
      if (doubtful !== undefined) return doubtful
      this.#beginEpoch(onUndecided)
    }
    let first = true
    for (const batch of this.batches) {
      if (batch.state === 'decided') continue
      if (batch.state !== 'sending') return batch.waitsForHead && !first ? undefined : batch
      first = false
    }
    return undefined
  }

  /** Marks a batch as under way, and gives it its sequence if it has none in this epoch. */
  send(batch: ProducerBatch, producerId: string): Uint8Array {
    if (this.open === batch) this.open = undefined
    batch.wentAsHead = this.isHead(batch)
    batch.state = 'sending'
    this.#sending++
    if (batch.records === undefined) {
      batch.records = batch.builder.seal(producerId, this.epoch, this.#nextSequence)
      this.#nextSequence += batch.count
    }
    return batch.records
  }

  /** An answer came: the batch is no longer under way. False if nobody waits for it any more. */
  received(batch: ProducerBatch): boolean {
    if (batch.state !== 'sending') return false
    this.#sending--
    batch.state = 'waiting'
    return true
  }

  /** Whether every earlier batch is decided. */
  isHead(batch: ProducerBatch): boolean {
    return this.batches.find((one) => one === batch || one.state !== 'decided') === batch
  }

  stored(batch: ProducerBatch): void {
    this.failures = 0
    this.retryAt = 0
    this.#decide(batch)
  }

  /** The batch gives up, stored or not: its sequence, if it has one, leaves a gap. */
  drop(batch: ProducerBatch): void {
    if (batch.state === 'sending') this.#sending--
    if (batch.records !== undefined) this.isBroken = true
    this.#decide(batch)
  }

  /** Some of it is in a request. */
  get isSending(): boolean {
    return this.#sending > 0
  }

  /** Takes out everything, for another topic. */
  takePending(): ProducerBatch[] {
    this.open = undefined
    return this.batches.splice(0).filter(({ state }) => state !== 'decided')
  }

  /** Puts batches that another queue had ahead of its own. */
  adopt(batches: readonly ProducerBatch[]): void {
    for (const batch of batches) {
      batch.state = 'waiting'
      batch.records = undefined
      batch.maybeStored = false
      batch.waitsForHead = false
      batch.isDoubtful = false
    }
    this.batches.unshift(...batches)
  }

  #beginEpoch(onUndecided: (batch: ProducerBatch) => void): void {
    this.isBroken = false
    this.epoch++
    this.#nextSequence = 0
    for (const batch of [...this.batches]) {
      if (batch.state !== 'waiting') continue
      batch.records = undefined
      batch.waitsForHead = false
      if (!batch.maybeStored) continue
      this.#decide(batch)
      onUndecided(batch)
    }
  }

  #decide(batch: ProducerBatch): void {
    batch.state = 'decided'
    if (this.open === batch) this.open = undefined
    while (this.batches[0]?.state === 'decided') this.batches.shift()
  }
}
