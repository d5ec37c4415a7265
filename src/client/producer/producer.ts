import { abortedError, PortalError } from '../../core/errors.js'
import { checkTopicName } from '../../core/names.js'
import type { RecordInput } from '../../core/record-batch-builder.js'
import type { ClientSide, Connection } from '../../protocol/connection.js'
import { clientDiagnostics } from '../../runtime/diagnostics.js'
import { onAbort } from '../../runtime/on-abort.js'
import { clientSideOf, closedReason } from '../client-side.js'
import { checkOptionNames, describe, invalid, signalOption } from '../options.js'
import { Accumulator } from './accumulator.js'
import { announceSend, withHeaders } from './announce-send.js'
import { type ProducerOptions, resolveProducerOptions } from './options.js'
import { Outgoing, toRecord } from './outgoing.js'
import {
  type BatchMessage,
  checkMessageOptions,
  type MessageOptions,
  type SendOptions,
} from './send-options.js'
import type { Sent } from './sent.js'

/**
 * Sends messages to topics, in batches that it makes by itself: all sends of a turn, and all that come while requests are under
 * way, go together. What is retriable is tried again until `deliveryTimeout`, and never stored twice by that.
 *
 * @example
 * const producer = new Producer(broker)
 * const { offset } = await producer.send('temp_1', { celsius: 21.4 }, { key: 'roof' })
 * await producer.close()
 */
export class Producer {
  readonly #side: ClientSide
  readonly #accumulator: Accumulator
  readonly #names = new Set<string>()
  #closing: Promise<void> | undefined
  /** Filled by the executor: one closure serves all sends. */
  readonly #forget: () => void
  #resolve!: (sent: Sent) => void
  #reject!: (error: PortalError) => void
  readonly #executor = (resolve: (sent: Sent) => void, reject: (error: PortalError) => void): void => {
    this.#resolve = resolve
    this.#reject = reject
  }

  constructor(connection: Connection, options: ProducerOptions = {}) {
    this.#side = clientSideOf(connection)
    this.#accumulator = new Accumulator(this.#side, resolveProducerOptions(options))
    this.#forget = onAbort(this.#side.closed, this.#abandon)
  }

  /**
   * Stores a message, and resolves when it is committed. A topic that does not exist is made with one partition.
   *
   * The value is encoded before `send` returns: anything JSON can carry, a string, or bytes. With more than `bufferBytes` under
   * way the promise stays pending until there is room, so whoever awaits is slowed down.
   *
   * Rejects with INVALID_ARGUMENT, MESSAGE_TOO_LARGE, TIMEOUT (its message says whether the message may be stored), ABORTED,
   * QUOTA_EXCEEDED (twice `bufferBytes` are waiting), STORAGE_FULL (to the end of `deliveryTimeout`), STORAGE_FAILED, CLOSED.
   *
   * @example
   * await producer.send('orders', { id: 7 }, { key: 'customer-3', id: 'order-7', headers: { source: 'web' } })
   */
  send<In = unknown>(topic: string, value: NoInfer<In>, options?: SendOptions): Promise<Sent> {
    if (!clientDiagnostics.send.hasSubscribers) return this.#sendOne(topic, value, options)
    const { partition, id } = options ?? {}
    return announceSend({ topic, messages: 1, partition, id }, (headers) =>
      this.#sendOne(topic, value, withHeaders(options, headers)),
    )
  }

  /**
   * Sends several messages, and resolves when all are committed, in their order. Each goes to a partition as `send` would choose
   * it. If one message is invalid none is sent. If some cannot be stored it rejects with the first error; the others may be stored.
   *
   * @example
   * await producer.sendBatch('orders', [{ value: { id: 7 }, key: 'customer-3' }, { value: { id: 8 } }])
   */
  sendBatch<In = unknown>(topic: string, messages: readonly BatchMessage<NoInfer<In>>[]): Promise<Sent[]> {
    if (!clientDiagnostics.send.hasSubscribers || !Array.isArray(messages))
      return this.#sendMany(topic, messages)
    return announceSend({ topic, messages: messages.length }, (headers) =>
      this.#sendMany(
        topic,
        messages.map((message) => withHeaders(message, headers)!),
      ),
    )
  }

  /** Resolves when everything sent before is stored or has failed. Never rejects: the sends' own promises do. */
  flush(): Promise<void> {
    return this.#accumulator.flush()
  }

  /** Takes no more messages, and resolves when everything sent before is stored or has failed. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#accumulator.flush().then(this.#forget)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #sendOne(topic: string, value: unknown, options: SendOptions | undefined): Promise<Sent> {
    try {
      this.#check(topic)
      if (options !== undefined) {
        checkOptionsObject(options)
        checkMessageOptions(options, 'signal')
        const signal = signalOption('signal', options.signal)
        if (signal !== undefined) return this.#sendAbortably(topic, value, options, signal)
      }
      return this.#send(topic, value, options).promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #sendMany(topic: string, messages: readonly BatchMessage[]): Promise<Sent[]> {
    try {
      this.#check(topic)
      if (!Array.isArray(messages))
        throw invalid(`sendBatch takes an array of messages, not ${describe(messages)}.`)
      const now = this.#side.runtime.clock.now()
      const records = messages.map((message: BatchMessage) => {
        checkOptionsObject(message)
        checkMessageOptions(message, 'value')
        return toRecord(message.value, message, now)
      })
      const promises = records.map((record, at) => {
        const promise = new Promise<Sent>(this.#executor)
        this.#outgoing(topic, messages[at]!.partition, record)
        return promise
      })
      return Promise.all(promises)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #check(topic: string): void {
    if (this.#closing !== undefined)
      throw new PortalError('CLOSED', 'The producer is closed. Make a new one.')
    if (this.#side.closed.aborted) throw closedReason(this.#side)
    if (this.#names.has(topic)) return
    checkTopicName(topic)
    if (this.#names.size < 10_000) this.#names.add(topic)
  }

  #send(
    topic: string,
    value: unknown,
    options: MessageOptions | undefined,
  ): { promise: Promise<Sent>; outgoing: Outgoing } {
    const record = toRecord(value, options, this.#side.runtime.clock.now())
    const promise = new Promise<Sent>(this.#executor)
    const outgoing = this.#outgoing(topic, options?.partition, record)
    return { promise, outgoing }
  }

  /** Hands over a message whose promise was made last. */
  #outgoing(topic: string, partition: number | undefined, record: RecordInput): Outgoing {
    const { upcoming } = this.#accumulator
    const outgoing = new Outgoing(topic, partition, record, this.#resolve, this.#reject, upcoming)
    this.#accumulator.add(outgoing)
    return outgoing
  }

  #sendAbortably(topic: string, value: unknown, options: SendOptions, signal: AbortSignal): Promise<Sent> {
    if (signal.aborted) throw abortedError(`Sending to '${topic}'`, signal)
    const { promise, outgoing } = this.#send(topic, value, options)
    const abort = (): void => {
      outgoing.cancelled = !outgoing.isPlaced
      const fate = outgoing.cancelled ? 'was not sent' : 'may still be stored'
      outgoing.reject(abortedError(`Sending to '${topic}' (the message ${fate})`, signal))
    }
    return promise.finally(onAbort(signal, abort))
  }

  /** The connection is closed: what is in a request gets its answer, all else is refused. */
  readonly #abandon = (): void => this.#accumulator.abandon(closedReason(this.#side))
}

function checkOptionsObject(options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    checkOptionNames('send', options, [])
}
