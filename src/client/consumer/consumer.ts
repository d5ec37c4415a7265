import { abortedError, PortalError } from '../../core/errors.js'
import { checkTopicName } from '../../core/names.js'
import type { ClientSide, Connection } from '../../protocol/connection.js'
import { onAbort } from '../../runtime/on-abort.js'
import { clientSideOf } from '../client-side.js'
import {
  checkOptionNames,
  describe,
  durationOption,
  invalid,
  numberOption,
  signalOption,
} from '../options.js'
import { within } from '../signals.js'
import { Engine } from './engine.js'
import { MessageIterator } from './iterator.js'
import type { Message } from './message.js'
import { type ConsumerOptions, resolveConsumerOptions } from './options.js'
import { type ReceiveOptions, receiveOne } from './receive-one.js'
import { type Handler, Run, type RunOptions } from './run.js'

export interface CloseOptions {
  /** Milliseconds to wait for messages in hand to be settled; what is left then is given back. From 0. @default 30,000 */
  readonly timeout?: number | undefined
}

/**
 * Receives a topic's messages as a member of a group: each message goes to one consumer of the group, and comes back unless it is
 * acked. It joins when it is first asked for messages; a topic that does not exist is waited for.
 *
 * @example
 * const consumer = new Consumer<Order>(broker, 'orders', { group: 'billing' })
 * await consumer.run(async (message) => { await bill(message.value) }, { concurrency: 8 })
 *
 * @example
 * for await (const message of consumer) {
 *   await work(message.value)
 *   void message.ack() // awaiting it would cost a commit for each message
 * }
 */
export class Consumer<T = unknown> implements AsyncIterable<Message<T>> {
  readonly #side: ClientSide
  readonly #engine: Engine
  readonly #topic: string
  readonly #signal: AbortSignal | undefined
  #forget: (() => void) | undefined
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(connection: Connection, topic: string, options: ConsumerOptions = {}) {
    this.#side = clientSideOf(connection)
    this.#topic = checkTopicName(topic)
    const resolved = resolveConsumerOptions(options, this.#side.runtime.random)
    this.#engine = new Engine(this.#side, topic, resolved)
    this.#signal = resolved.signal
    this.#forget = onAbort(this.#signal, this.#aborted)
  }

  /**
   * The next message; sleeps until there is one, or resolves to null at the end of `timeout`. It asks for exactly one.
   *
   * The message is this consumer's for the lease: settle or `extend` it within. Rejects with ABORTED, CLOSED, GROUP_CONFLICT.
   *
   * @example
   * const message = await consumer.receive({ timeout: 5_000 })
   * if (message) await message.ack()
   */
  receive(options: ReceiveOptions & { readonly timeout: number }): Promise<Message<T> | null>
  receive(options?: { readonly signal?: AbortSignal | undefined }): Promise<Message<T>>
  receive(options: ReceiveOptions = {}): Promise<Message<T> | null> {
    try {
      checkOptionNames('receive', options, ['timeout', 'signal'])
      const wait = durationOption('timeout', options.timeout, undefined)
      const signal = signalOption('signal', options.signal)
      this.#checkOpen()
      if (signal?.aborted) throw abortedError('Receiving', signal)
      const waiting = this.#engine.dispenser.take()
      if (waiting !== undefined) return Promise.resolve(waiting as Message<T>)
      return receiveOne(this.#engine, wait, signal) as Promise<Message<T> | null>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Loops over messages, reading ahead. The loop ends when the consumer is closed or drained, and throws when its broker or connection
   * closes. Leaving the loop gives back what it had not been handed yet. Leases of messages in hand are not renewed.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    this.#checkOpen()
    return new MessageIterator<T>(this.#engine)
  }

  /**
   * Calls `handler` with one message after the other, `concurrency` at a time. If it resolves the message is acked, if it throws it is
   * nacked with the group's backoff and the error's message as reason; a handler that settled the message by itself keeps that outcome.
   * Leases are renewed while handlers work, up to `timeout`.
   *
   * Resolves once the consumer is closed or drained or a signal aborts, and the handlers have finished. Rejects with CLOSED when the
   * broker or connection closes first, GROUP_CONFLICT, GROUP_NOT_FOUND (the group was deleted).
   *
   * @example
   * await consumer.run(async (message) => { await work(message.value, message.signal) }, { concurrency: 8 })
   */
  async run(handler: Handler<T>, options: RunOptions = {}): Promise<void> {
    if (typeof handler !== 'function') throw invalid(`run takes a function; it got ${describe(handler)}.`)
    checkOptionNames('run', options, ['concurrency', 'timeout', 'signal'])
    const concurrency = numberOption('concurrency', options.concurrency, 1, { min: 1, max: 10_000 })
    const timeout = durationOption('timeout', options.timeout, 900_000, { min: 1 })
    const signal = signalOption('signal', options.signal)
    this.#checkOpen()
    if (signal?.aborted) return
    const run = new Run(this.#engine, handler as Handler<never>, { concurrency, timeout })
    const forget = onAbort(signal, () => run.stop())
    try {
      // A handler that never ends must not hold up a consumer that has closed.
      await Promise.race([run.start(), this.#engine.closed])
    } finally {
      forget()
    }
  }

  /**
   * Receives no more, and resolves when everything that it holds is settled: loops and runs go on until then, and end. Waiting receives
   * reject with CLOSED. The consumer cannot receive again; `close` it.
   */
  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  /**
   * Receives no more, gives back what waits, waits for messages in hand to be settled, then gives back the rest. Giving back never
   * counts as a delivery. Waiting receives reject with CLOSED; loops and runs end. May be called twice.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkOptionNames('close', options, ['timeout'])
      const timeout = durationOption('timeout', options.timeout, 30_000)
      this.#closing ??= this.#close(
        timeout,
        new PortalError('CLOSED', `The consumer of '${this.#topic}' is closed.`),
      )
      return this.#closing
    } catch (error) {
      return Promise.reject(error)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(): Promise<void> {
    this.#engine.stop(new PortalError('CLOSED', `The consumer of '${this.#topic}' is drained.`))
    await this.#engine.holdings.whenQuiet(true)
    await this.#engine.holdings.settler.settled()
  }

  async #close(timeout: number, reason: PortalError): Promise<void> {
    const { timers } = this.#side.runtime
    const engine = this.#engine
    const { holdings } = engine
    this.#forget?.()
    engine.stop(reason)
    engine.endStreams()
    const deadline = holdings.now() + timeout
    // With the broker gone nothing can be settled any more.
    if (engine.endedBy === undefined) await within(timers, timeout, holdings.whenQuiet(false))
    holdings.releaseInHand()
    await within(timers, Math.max(1_000, deadline - holdings.now()), holdings.settler.settled())
    engine.finish()
  }

  readonly #aborted = (): void => {
    this.#closing ??= this.#close(30_000, abortedError(`Receiving from '${this.#topic}'`, this.#signal!))
  }

  #checkOpen(): void {
    if (this.#engine.ending.aborted) throw this.#engine.ending.reason
  }
}
