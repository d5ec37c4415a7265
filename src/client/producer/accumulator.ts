import { PortalError } from '../../core/errors.js'
import { RecordBatchBuilder } from '../../core/record-batch-builder.js'
import type { ClientSide } from '../../protocol/connection.js'
import { findRoute } from '../router.js'
import { ProducerBatch } from './batch.js'
import { choosePartition } from './choose-partition.js'
import { Deadlines } from './deadlines.js'
import { Flush } from './flush.js'
import type { ResolvedProducerOptions } from './options.js'
import { isLargerThan, type Outgoing } from './outgoing.js'
import type { PartitionQueue } from './partition-queue.js'
import { Sender } from './sender.js'
import { TopicQueue } from './topic-queue.js'
import { WaitingRoom } from './waiting-room.js'

/** Takes encoded messages, gives each a place in a batch, and lets the sender send at the end of the turn. */
export class Accumulator {
  readonly #side: ClientSide
  readonly #deliveryTimeout: number
  readonly #topics = new Map<string, TopicQueue>()
  readonly #room: WaitingRoom
  readonly #sender: Sender
  readonly #deadlines: Deadlines
  /** The next flush, which waits for what is added now. */
  upcoming = new Flush()
  #flushed: Promise<void> | undefined
  #scheduled = false
  #admitting = false

  constructor(side: ClientSide, options: ResolvedProducerOptions) {
    this.#side = side
    this.#deliveryTimeout = options.deliveryTimeout
    this.#room = new WaitingRoom(options.bufferBytes)
    this.#deadlines = new Deadlines(side.runtime, options.deliveryTimeout, this.#giveUp)
    this.#sender = new Sender(side, options, {
      decided: (batch) => this.#free(batch.bytes),
      topicNotFound: (queue) => this.#topicNotFound(queue),
      waiting: (queue) => this.#waitAgain(queue),
      completed: (queue) => this.#topics.get(queue.topic)?.completed(queue),
    })
  }

  add(outgoing: Outgoing): void {
    const admission = this.#room.admit(outgoing)
    this.upcoming.enter()
    if (admission === 'refused') return outgoing.refuse(overfull(outgoing.topic, this.#room.limit))
    this.#deadlines.begin()
    if (admission === 'go') this.#place(outgoing)
    else outgoing.hold(this.#deadline())
  }

  /** Resolves when all that was added before is stored or refused, and everybody has been told. */
  flush(): Promise<void> {
    const before = this.#flushed
    this.#flushed = this.upcoming.done.then(() => before)
    this.upcoming.leave()
    this.upcoming = new Flush()
    return this.#flushed
  }

  /** Rejects all that is not in a request at this moment. */
  abandon(error: PortalError): void {
    for (let outgoing = this.#room.take(); outgoing !== undefined; outgoing = this.#room.take())
      outgoing.refuse(error)
    for (const topic of this.#topics.values()) this.#rejectTopic(topic, error)
  }

  // Placing ------------------------------------------------------------------------------------------------------------

  #place(outgoing: Outgoing): void {
    const topic = this.#topic(outgoing.topic)
    if (topic.route === undefined || tooLarge(topic, outgoing)) {
      // The route may be older than the topic's limit: the message is refused by a fresh one only.
      if (topic.route !== undefined) topic.lost()
      if (outgoing.deadline === 0) outgoing.hold(this.#deadline())
      topic.unrouted.push(outgoing)
      this.#find(topic)
    } else this.#append(topic, outgoing)
  }

  #topic(name: string): TopicQueue {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = new TopicQueue(name, Math.floor(this.#side.runtime.random.float() * 1_024))
      this.#topics.set(name, topic)
    }
    return topic
  }

  #append(topic: TopicQueue, outgoing: Outgoing): void {
    if (outgoing.cancelled) return this.#dismiss(outgoing, undefined)
    if (tooLarge(topic, outgoing)) return this.#dismiss(outgoing, messageTooLarge(topic, outgoing))
    let queue: PartitionQueue
    try {
      queue = choosePartition(topic, outgoing)
    } catch (error) {
      return this.#dismiss(outgoing, error as PortalError)
    }
    if (!queue.open?.tryAdd(outgoing)) this.#beginBatch(topic, queue, outgoing)
    this.#sender.ready(queue)
    this.#schedule()
  }

  #beginBatch(topic: TopicQueue, queue: PartitionQueue, first: Outgoing): void {
    if (queue.open !== undefined) {
      queue.open.state = 'waiting'
      topic.completed(queue)
    }
    const batch = new ProducerBatch(
      new RecordBatchBuilder(this.#side.runtime.crc32),
      first.deadline === 0 ? this.#deadline() : first.deadline,
      first.flush,
    )
    batch.tryAdd(first)
    queue.open = batch
    queue.batches.push(batch)
  }

  #deadline(): number {
    return this.#side.runtime.clock.monotonic() + this.#deliveryTimeout
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#side.runtime.timers.defer(this.#send)
  }

  readonly #send = (): void => {
    this.#scheduled = false
    this.#sender.pump()
  }

  // Deciding -----------------------------------------------------------------------------------------------------------

  #dismiss(outgoing: Outgoing, error: PortalError | undefined): void {
    outgoing.refuse(error)
    this.#free(outgoing.bytes)
  }

  /** Lets in what waits. With nothing pending no timer keeps the process alive. */
  #free(bytes: number): void {
    this.#room.release(bytes)
    if (this.#admitting) return
    this.#admitting = true
    for (let outgoing = this.#room.next(); outgoing !== undefined; outgoing = this.#room.next())
      this.#place(outgoing)
    this.#admitting = false
    if (this.#room.isIdle) this.#deadlines.end()
  }

  /** Rejects what is past its deadline; returns the next deadline. Whoever waits goes first: what gives up lets in the rest of them. */
  readonly #giveUp = (now: number): number => {
    for (let oldest = this.#room.oldest; oldest && oldest.deadline <= now; oldest = this.#room.oldest) {
      this.#room.take()
      oldest.refuse(neverSent(oldest.topic, undefined))
    }
    for (const topic of this.#topics.values()) {
      for (const queue of topic.queues()) {
        for (const batch of queue.pending()) if (batch.deadline <= now) this.#sender.giveUp(queue, batch)
      }
      const due = topic.unrouted.filter(({ deadline }) => deadline <= now)
      topic.unrouted = topic.unrouted.filter(({ deadline }) => deadline > now)
      for (const outgoing of due) this.#dismiss(outgoing, neverSent(outgoing.topic, topic.lastError))
    }
    let next = this.#room.oldest?.deadline ?? Number.POSITIVE_INFINITY
    for (const topic of this.#topics.values()) {
      for (const { deadline } of [...topic.pending(), ...topic.unrouted]) next = Math.min(next, deadline)
    }
    return next
  }

  // Routes -------------------------------------------------------------------------------------------------------------

  #topicNotFound(queue: PartitionQueue): void {
    const topic = this.#topics.get(queue.topic)!
    if (topic.route?.topicId === queue.topicId) topic.lost()
    if (topic.route === undefined) this.#find(topic)
  }

  /** A batch is to be sent again: by its queue, or by that of the topic's successor. */
  #waitAgain(queue: PartitionQueue): void {
    const topic = this.#topics.get(queue.topic)!
    if (!topic.former.includes(queue)) return this.#sender.ready(queue)
    topic.moveFormer()
    for (const successor of topic.partitions) this.#sender.ready(successor)
  }

  #find(topic: TopicQueue): void {
    if (topic.finding) return
    topic.finding = true
    findRoute(this.#side, topic.name, (error) => {
      topic.lastError = error
      return !isIdle(topic)
    }).then(
      (route) => {
        topic.finding = false
        if (route === undefined) {
          // Something may have come since nothing was there to look for it.
          if (!isIdle(topic)) this.#find(topic)
          return
        }
        topic.use(route)
        for (const queue of topic.partitions) if (queue.batches.length > 0) this.#sender.ready(queue)
        for (const outgoing of topic.unrouted.splice(0)) this.#append(topic, outgoing)
        this.#schedule()
      },
      (error: PortalError) => {
        topic.finding = false
        this.#rejectTopic(topic, error)
      },
    )
  }

  #rejectTopic(topic: TopicQueue, error: PortalError): void {
    for (const outgoing of topic.unrouted.splice(0)) this.#dismiss(outgoing, error)
    for (const queue of topic.queues()) {
      for (const batch of queue.pending())
        if (batch.state !== 'sending') this.#sender.refuse(queue, batch, error)
    }
  }
}

function isIdle(topic: TopicQueue): boolean {
  return topic.unrouted.length === 0 && topic.pending().length === 0
}

function tooLarge(topic: TopicQueue, outgoing: Outgoing): boolean {
  return topic.route !== undefined && isLargerThan(topic.route.maxMessageBytes, outgoing.record)
}

function messageTooLarge(topic: TopicQueue, outgoing: Outgoing): PortalError {
  return new PortalError(
    'MESSAGE_TOO_LARGE',
    `A message of about ${outgoing.bytes} bytes is above the ${topic.route!.maxMessageBytes} of topic '${topic.name}'. ` +
      "Send less, or raise the topic's 'maxMessageBytes'.",
  )
}

function neverSent(topic: string, cause: PortalError | undefined): PortalError {
  return new PortalError(
    'TIMEOUT',
    `A message for '${topic}' was not sent within 'deliveryTimeout': it is not stored.`,
    { cause },
  )
}

function overfull(topic: string, limit: number): PortalError {
  return new PortalError(
    'QUOTA_EXCEEDED',
    `The producer holds ${2 * limit} bytes that are not stored yet: await 'send', or raise 'bufferBytes'. ` +
      `The message for '${topic}' was not sent.`,
  )
}
