import type { PortalError } from '../../core/errors.js'
import { decodeValue } from '../../core/value-codec.js'
import { checkOptionNames, describe, durationOption, invalid } from '../options.js'
import type { HeldBatch, Watch } from './held-batch.js'
import { handled, leaseLost, nameOf } from './lease-lost.js'
import * as State from './message-state.js'

export interface NackOptions {
  /** Milliseconds until it may come back. From 0. @default the group's backoff */
  readonly delay?: number | undefined
  /** Why it failed; kept with the message when it dies. At most 1,000 characters are. @default none */
  readonly reason?: string | undefined
}

const NOT_YET = Symbol()
const LONGEST_REASON = 1_000
const LONGEST_DELAY = 365 * 86_400_000

/**
 * A message under this consumer's lease. Fields are decoded when they are first asked for. It must be settled by `ack`, `nack` or
 * `reject`; otherwise it comes back to the group when its lease ends. `run` settles by itself.
 *
 * Settling twice with the same outcome gives the first one's promise; with another outcome it rejects with INVALID_ARGUMENT and
 * the first stays. A settlement that nobody awaits never causes an unhandled rejection; its failure is logged.
 */
export class Message<T = unknown> {
  /** Its position in the partition: 0, 1, 2, … */
  readonly offset: number
  readonly #batch: HeldBatch
  #value: T | typeof NOT_YET = NOT_YET
  #settled: Promise<void> | undefined
  #watch: Watch | undefined

  /** @internal */
  constructor(batch: HeldBatch, at: number) {
    this.offset = batch.baseOffset + at
    this.#batch = batch
  }

  get topic(): string {
    return this.#batch.lease.session.topic
  }

  get partition(): number {
    return this.#batch.lease.partition
  }

  /** Text or bytes, as it was sent. */
  get key(): string | Uint8Array | undefined {
    const key = this.#batch.view.key(this.#at)
    return typeof key === 'object' ? new Uint8Array(key) : key
  }

  /** As it was sent: what JSON carries, a string, or bytes (a copy of its own). */
  get value(): T {
    if (this.#value === NOT_YET) {
      this.#value = decodeValue(this.#batch.view, this.#at) as T
    }
    return this.#value as T
  }

  get headers(): Record<string, string> {
    return this.#batch.view.headers(this.#at)
  }

  /** Milliseconds since the Unix epoch: when it was sent, or what the sender said. */
  get timestamp(): number {
    return this.#batch.view.timestamp(this.#at)
  }

  /** 1 for the first delivery to this group. Giving back never counts. */
  get deliveryCount(): number {
    return this.#batch.deliveryCount(this.#at)
  }

  /**
   * Aborts when the lease is lost (LEASE_LOST: somebody else may have the message by now), or when a handler of `run` takes longer
   * than its timeout (TIMEOUT).
   */
  get signal(): AbortSignal {
    return this.#watched.controller.signal
  }

  /**
   * It is done: once this resolves, it is never delivered to the group again. Rejects with LEASE_LOST (nothing changed: somebody
   * else has it or will get it), CLOSED.
   *
   * Awaiting it costs the time of a commit. A loop may go on without awaiting: acks travel together.
   */
  ack(): Promise<void> {
    return this.#settle(State.acked, 'ack', undefined, undefined)
  }

  /** It failed and comes back after `delay`, or goes to the dead letters after `maxDeliveries` failures. Rejects as `ack` does. */
  nack(options: NackOptions = {}): Promise<void> {
    try {
      checkOptionNames('nack', options, ['delay', 'reason'])
      const { delay } = options
      durationOption('delay', delay, undefined, { max: LONGEST_DELAY })
      return this.#settle(State.nacked, 'nack', delay, checkReason(options.reason))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** It can never succeed: it goes to the dead letters now. Rejects as `ack` does. */
  reject(reason?: string): Promise<void> {
    try {
      return this.#settle(State.rejected, 'reject', undefined, checkReason(reason))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Its lease ends `milliseconds` (1 to 86,400,000) from now. Rejects with LEASE_LOST if it has ended. */
  extend(milliseconds: number): Promise<void> {
    try {
      // `?? null`: it has no default.
      durationOption('milliseconds', milliseconds ?? null, 0, { min: 1, max: 86_400_000 })
    } catch (error) {
      return Promise.reject(error)
    }
    const { lease, states } = this.#batch
    const state = states[this.#at]
    if (isGone(state)) return refused(leaseLost(lease, this.offset))
    if (state !== State.inHand)
      return refused(invalid(`Message ${nameOf(lease, this.offset)} is settled: it cannot be extended.`))
    const watch = this.#watched
    watch.deadline = lease.owner.now() + milliseconds
    lease.owner.watching(watch.deadline)
    return lease.owner.settle(lease, this.offset, 'extend', Math.ceil(milliseconds), undefined)
  }

  get #watched(): Watch {
    if (this.#watch !== undefined) return this.#watch
    const batch = this.#batch
    const watch = { controller: new AbortController(), deadline: batch.deadlineOf(this.#at) }
    const state = batch.states[this.#at]
    if (isGone(state)) watch.controller.abort(leaseLost(batch.lease, this.offset))
    else if (state === State.inHand) {
      batch.watch(this.#at, watch)
      batch.lease.owner.watching(watch.deadline)
    }
    this.#watch = watch
    return watch
  }

  get #at(): number {
    return this.offset - this.#batch.baseOffset
  }

  #settle(
    state: number,
    outcome: 'ack' | 'nack' | 'reject',
    delay: number | undefined,
    reason: string | undefined,
  ): Promise<void> {
    const batch = this.#batch
    const at = this.#at
    const current = batch.states[at]
    const { lease } = batch
    if (current === State.inHand || current === State.overdue) {
      batch.states[at] = state
      this.#settled = lease.owner.settle(lease, this.offset, outcome, delay, reason)
      if (current === State.inHand) lease.owner.settledInHand(batch, at)
      return this.#settled
    }
    if (current === state) return this.#settled ?? Promise.resolve()
    if (isGone(current)) return this.#settled ?? refused(leaseLost(lease, this.offset))
    const first = ['acked', 'nacked', 'rejected'][current! - State.acked]
    return refused(
      invalid(`Message ${nameOf(lease, this.offset)} is ${first} already: ${outcome} came too late.`),
    )
  }

  /** @internal */
  static batchOf(message: Message): HeldBatch {
    return message.#batch
  }
}

function isGone(state: number | undefined): boolean {
  return state! >= State.released
}

/** A failure that may go unseen. */
function refused(error: PortalError): Promise<never> {
  return handled(Promise.reject(error))
}

function checkReason(reason: unknown): string | undefined {
  if (reason === undefined) return undefined
  if (typeof reason !== 'string') throw invalid(`'reason' must be a string; it is ${describe(reason)}.`)
  return reason.slice(0, LONGEST_REASON)
}
