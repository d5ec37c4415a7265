import { PortalError } from '../../core/errors.js'
import { clientDiagnostics } from '../../runtime/diagnostics.js'
import { announceHandle } from './announce-handle.js'
import type { Engine } from './engine.js'
import type { HeldBatch } from './held-batch.js'
import { Message } from './message.js'
import * as State from './message-state.js'

export type Handler<T> = (message: Message<T>) => unknown

export interface RunOptions {
  /** Handlers at the same time. 1 to 10,000. @default 1 */
  readonly concurrency?: number | undefined
  /**
   * Milliseconds for which a handler's lease is renewed. One that takes longer has failed: its message's signal aborts and the message
   * is nacked. From 1. @default 900,000
   */
  readonly timeout?: number | undefined
  /** Ends this run once its handlers have finished; the consumer stays open. @default none */
  readonly signal?: AbortSignal | undefined
}

interface Worker {
  message: Message | undefined
  /** Monotonic. */
  startedAt: number
}

/** Some workers who take one message after the other to a handler: it resolves, ack; it throws, nack. */
export class Run {
  readonly #engine: Engine
  readonly #handler: Handler<never>
  readonly #timeout: number
  readonly #workers: readonly Worker[]
  #stopping = false
  #error: unknown

  constructor(
    engine: Engine,
    handler: Handler<never>,
    options: { readonly concurrency: number; readonly timeout: number },
  ) {
    this.#engine = engine
    this.#handler = handler
    this.#timeout = options.timeout
    this.#workers = Array.from({ length: options.concurrency }, () => ({ message: undefined, startedAt: 0 }))
  }

  /** Resolves when it was stopped or the consumer ended; rejects when the stream broke. Handlers have finished by then, and acks
   * have their answers. */
  async start(): Promise<void> {
    const { keeper, settler } = this.#engine.holdings
    this.#engine.openStream(this.#workers.length)
    keeper.addRun(this)
    try {
      await Promise.all(this.#workers.map((worker) => this.#work(worker)))
      await settler.flushed()
    } finally {
      keeper.removeRun(this)
      this.#engine.closeStream(this, this.#workers.length)
    }
    if (this.#error !== undefined) throw this.#error
  }

  /** Takes no more messages. */
  stop(): void {
    this.#stopping = true
    this.#engine.dispenser.cancel(this)
  }

  forEachInHand(callback: (batch: HeldBatch, offset: number) => void): void {
    for (const { message } of this.#workers) {
      if (isInHand(message)) callback(Message.batchOf(message), message.offset)
    }
  }

  /** Fails handlers that take longer than the timeout; returns (monotonic) when the next one does. */
  endOverlong(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { message, startedAt } of this.#workers) {
      if (!isInHand(message)) continue
      const end = startedAt + this.#timeout
      if (end > now) next = Math.min(next, end)
      else this.#fail(message, this.#overlong(message))
    }
    return next
  }

  async #work(worker: Worker): Promise<void> {
    const engine = this.#engine
    const { dispenser, holdings } = engine
    const handler = this.#handler as Handler<unknown>
    while (!this.#stopping) {
      let message: Message | undefined
      try {
        message = dispenser.take() ?? (await dispenser.next(this))
      } catch (error) {
        this.#error ??= error
        this.stop()
        return
      }
      if (message === undefined) return
      worker.message = message
      worker.startedAt = holdings.now()
      holdings.keeper.watching(worker.startedAt + this.#timeout)
      try {
        if (clientDiagnostics.handle.hasSubscribers)
          await announceHandle(message, engine.options.group, handler)
        else await handler(message)
        if (isInHand(message)) this.#settle(message, State.acked, 'ack', undefined)
      } catch (error) {
        if (isInHand(message)) this.#failed(message, error)
      }
      worker.message = undefined
    }
  }

  #failed(message: Message, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    const { topic, partition, offset, deliveryCount } = message
    this.#engine.side.logger.warn(
      { topic, partition, offset, deliveryCount, group: this.#engine.options.group, err: error },
      `The handler failed for message ${offset} of '${topic}' (partition ${partition}): ${reason}`,
    )
    this.#settle(message, State.nacked, 'nack', reason.slice(0, 1_000))
  }

  #fail(message: Message, error: PortalError): void {
    const batch = Message.batchOf(message)
    const watch = batch.watchOf(message.offset - batch.baseOffset)
    this.#failed(message, error)
    watch?.controller.abort(error)
  }

  #settle(message: Message, state: number, outcome: 'ack' | 'nack', reason: string | undefined): void {
    const batch = Message.batchOf(message)
    const at = message.offset - batch.baseOffset
    batch.states[at] = state
    this.#engine.holdings.settler.settleQuietly(batch.lease, message.offset, outcome, undefined, reason)
    this.#engine.holdings.settledInHand(batch, at)
  }

  #overlong(message: Message): PortalError<'TIMEOUT'> {
    return new PortalError(
      'TIMEOUT',
      `The handler of message ${message.offset} of '${message.topic}' took longer than ${this.#timeout} ms. ` +
        "It counts as failed: heed its signal, or raise 'timeout'.",
    )
  }
}

function isInHand(message: Message | undefined): message is Message {
  if (message === undefined) return false
  const batch = Message.batchOf(message)
  return batch.states[message.offset - batch.baseOffset] === State.inHand
}
