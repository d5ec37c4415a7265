import { isPortalError, PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { ProduceBatch, ProduceResult } from '../../protocol/service.js'
import { randomId } from '../../runtime/runtime.js'
import { retryDelay } from '../backoff.js'
import { asPortalError, closedReason } from '../client-side.js'
import type { ProducerBatch } from './batch.js'
import type { ResolvedProducerOptions } from './options.js'
import type { PartitionQueue } from './partition-queue.js'
import { Resolver } from './resolver.js'

/** Bytes of one request; a larger batch goes alone. */
const REQUEST_BYTES = 256 * 1024

/** The longest pause while nobody leads (ms): brokers let wait what will have a leader soon. */
const MOVED = 200

/** What a sender tells its accumulator. */
export interface SenderEvents {
  /** Its room in the buffer is free again. */
  decided(batch: ProducerBatch): void
  topicNotFound(queue: PartitionQueue): void
  /** A batch of the queue waits to be sent again. */
  waiting(queue: PartitionQueue): void
  /** The queue's open batch takes no more messages. */
  completed(queue: PartitionQueue): void
}

interface InRequest {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
  /** Who is asked: the same for all of a request. */
  readonly leader: unknown
}

/** Sends batches, a few requests at a time, and decides by the answers what becomes of them. */
export class Sender {
  readonly #side: ClientSide
  readonly #options: ResolvedProducerOptions
  readonly #events: SenderEvents
  readonly #producerId: string
  readonly #resolver: Resolver
  /** Queues that may have something to send; those that were served go last. */
  readonly #ready = new Set<PartitionQueue>()
  readonly #requests = new TransientSet<readonly InRequest[]>()

  constructor(side: ClientSide, options: ResolvedProducerOptions, events: SenderEvents) {
    this.#side = side
    this.#options = options
    this.#events = events
    this.#producerId = randomId(side.runtime.random)
    this.#resolver = new Resolver(side.runtime.timers)
  }

  /** The queue has something to send; `pump` sends it. */
  ready(queue: PartitionQueue): void {
    this.#ready.add(queue)
  }

  /** Sends what may be sent now. */
  pump(): void {
    while (this.#ready.size > 0) {
      const request = this.#gather()
      if (request.length === 0) return
      this.#post(request)
    }
  }

  /** The batch's time is over. */
  giveUp(queue: PartitionQueue, batch: ProducerBatch): void {
    const undecided = batch.state === 'sending' || batch.maybeStored
    this.refuse(queue, batch, undecided ? undecidedError(queue, batch) : refusedError(queue, batch))
    for (const request of this.#requests) {
      if (request.every((one) => one.batch.state === 'decided')) this.#requests.delete(request)
    }
    this.#sendSoon(queue)
  }

  refuse(queue: PartitionQueue, batch: ProducerBatch, error: PortalError): void {
    queue.drop(batch)
    batch.reject(error)
    this.#events.decided(batch)
  }

  // Requests -----------------------------------------------------------------------------------------------------------

  /** What is for one leader that may have another request. */
  #gather(): InRequest[] {
    const now = this.#side.runtime.clock.monotonic()
    const request: InRequest[] = []
    let bytes = 0
    const underWay = new Map<unknown, number>()
    for (const [one] of this.#requests) underWay.set(one!.leader, (underWay.get(one!.leader) ?? 0) + 1)
    for (const queue of this.#ready) {
      const leader = this.#side.leaderOf?.(queue.topicId, queue.partition)
      if (
        request.length > 0
          ? leader !== request[0]!.leader
          : underWay.get(leader)! >= this.#options.maxInFlight
      )
        continue
      const giveUp = (batch: ProducerBatch) => {
        batch.reject(undecidedError(queue, batch))
        this.#events.decided(batch)
      }
      for (;;) {
        const batch = queue.next(now, giveUp)
        if (batch === undefined) {
          this.#ready.delete(queue)
          break
        }
        if (bytes > 0 && bytes + batch.builder.size > REQUEST_BYTES) {
          this.#ready.delete(queue)
          this.#ready.add(queue)
          return request
        }
        bytes += batch.builder.size
        if (queue.open === batch) this.#events.completed(queue)
        queue.send(batch, this.#producerId)
        queue.sentAt = now
        request.push({ queue, batch, leader })
      }
    }
    return request
  }

  #post(request: readonly InRequest[]): void {
    this.#requests.add(request)
    const { acks, compression } = this.#options
    const batches: ProduceBatch[] = request.map(({ queue, batch }) => ({
      topicId: queue.topicId,
      partition: queue.partition,
      records: batch.records!,
    }))
    this.#side.service.produce({ acks, compression, batches }).then(
      (response) => this.#answered(request, response.results),
      (thrown: unknown) => {
        const error = asPortalError(thrown)
        this.#answered(request, Array<ProduceResult>(request.length).fill({ error }))
      },
    )
  }

  /** The next request goes out before the senders of this one hear of it. */
  #answered(request: readonly InRequest[], results: readonly ProduceResult[]): void {
    this.#requests.delete(request)
    for (let at = 0; at < request.length; at++) {
      const { queue, batch } = request[at]!
      if (!queue.received(batch)) continue
      const result = results[at]
      if (result?.error) this.#failed(queue, batch, result.error)
      else if (answers(result?.runs, batch)) this.#stored(queue, batch, result!.runs)
      else this.#failed(queue, batch, new PortalError('DISCONNECTED', 'An answer was incomplete.'))
    }
    this.pump()
    this.#resolver.drain()
  }

  #stored(queue: PartitionQueue, batch: ProducerBatch, runs: readonly number[]): void {
    queue.stored(batch)
    this.#resolver.push(queue.topic, queue.partition, batch, runs)
    this.#events.decided(batch)
    // What is blocked may be a former topic's: its successor waits for this answer.
    if (queue.batches.length > 0 || queue.blocked) this.#events.waiting(queue)
  }

  // Failures -----------------------------------------------------------------------------------------------------------

  #failed(queue: PartitionQueue, batch: ProducerBatch, error: PortalError): void {
    batch.lastError = error
    if (leavesOpen(error)) batch.maybeStored = true
    if (this.#side.closed.aborted)
      return this.refuse(queue, batch, batch.maybeStored ? error : closedReason(this.#side))
    if (error.code === 'SEQUENCE_REFUSED') return this.#outOfSequence(queue, batch, error)
    if (error.code === 'TOPIC_NOT_FOUND') {
      this.#events.topicNotFound(queue)
      return this.#tryAgain(queue)
    }
    if (error.retriable) return this.#tryAgain(queue, error.code === 'NOT_LEADER')
    this.refuse(queue, batch, error)
    this.#events.waiting(queue)
  }

  #outOfSequence(queue: PartitionQueue, batch: ProducerBatch, error: PortalError): void {
    // One that came before its turn was refused, and a copy of it may have come after: only what was refused in its turn is not stored.
    const isEarly = !queue.isHead(batch) || !batch.wentAsHead
    batch.isDoubtful = isEarly && !batch.isDoubtful
    if (isEarly) {
      batch.waitsForHead = true
      this.#events.waiting(queue)
    } else if (batch.maybeStored) {
      this.refuse(queue, batch, error)
      this.#events.waiting(queue)
    } else {
      // Refused for certain: the broker has forgotten this producer, or an earlier sequence never came.
      queue.isBroken = true
      this.#events.waiting(queue)
    }
  }

  /** The pause counts from the sending: a request that was long under way has been one. `moved`: another broker leads, and a next try finds it. */
  #tryAgain(queue: PartitionQueue, moved = false): void {
    const { clock, random } = this.#side.runtime
    if (queue.retryAt <= clock.monotonic()) {
      const delay = retryDelay(++queue.failures, random)
      queue.retryAt = queue.sentAt + (moved ? Math.min(MOVED, 100 * queue.failures - 100) : delay)
    }
    this.#sendSoon(queue)
  }

  /** At the queue's time, or at the end of this turn. */
  #sendSoon(queue: PartitionQueue): void {
    const { clock, timers } = this.#side.runtime
    if (queue.wakes) return
    queue.wakes = true
    timers.setTimeout(
      () => {
        queue.wakes = false
        // Timers may fire a little early, and a queue before its time would be passed over for good.
        if (queue.retryAt > clock.monotonic()) return this.#sendSoon(queue)
        this.#events.waiting(queue)
        this.pump()
      },
      Math.ceil(queue.retryAt - clock.monotonic()),
    )
  }
}

/** Whether the answer says of every message where it is. */
function answers(runs: readonly number[] = [], { count }: ProducerBatch): boolean {
  return runs.reduce((sum, part, at) => (at % 3 === 0 ? sum + part : sum), 0) === count
}

/** Whether the batch may have been stored although this was the answer. */
function leavesOpen(error: PortalError): boolean {
  return isPortalError(error, 'DISCONNECTED', 'TIMEOUT', 'STORAGE_FAILED')
}

function undecidedError(queue: PartitionQueue, batch: ProducerBatch): PortalError<'TIMEOUT'> {
  return new PortalError(
    'TIMEOUT',
    `No answer came in time for ${batch.count} message(s) to partition ${queue.partition} of '${queue.topic}': ` +
      "it is undecided whether they are stored. Give messages an 'id' and send them again, or raise 'deliveryTimeout'.",
    { cause: batch.lastError, retriable: false },
  )
}

/** It was refused to the end. A full disk is named as such: there is something to be done about it. */
function refusedError(queue: PartitionQueue, batch: ProducerBatch): PortalError {
  const { lastError } = batch
  const why = lastError === undefined ? '' : ` Last refusal: ${lastError.message}`
  return new PortalError(
    lastError?.code === 'STORAGE_FULL' ? 'STORAGE_FULL' : 'TIMEOUT',
    `${batch.count} message(s) to partition ${queue.partition} of '${queue.topic}' were not taken within 'deliveryTimeout'. ` +
      `They are not stored; sending them again is safe.${why}`,
    { cause: lastError },
  )
}
