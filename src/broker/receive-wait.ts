import { abortedError, type PortalError } from '../core/errors.js'
import type { CallOptions, Delivery, ReceiveRequest, ReceiveResponse } from '../protocol/service.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Runtime, Timer } from '../runtime/runtime.js'
import { FOREVER } from '../runtime/wait.js'
import type { Dispatcher, Waiter } from './waiters.js'

/** The most that one receive leases. */
const MAX_MESSAGES = 4_096
const MAX_BYTES = 16 << 20

/**
 * A receive that sleeps until something is leased for it, its time is over (then it resolves to nothing) or its signal aborts (then it rejects with
 * ABORTED). Thousands sleep: each is one object, and what ends it.
 */
export class ReceiveWait implements Waiter {
  readonly consumer: string
  readonly id: number | undefined
  readonly local: boolean
  readonly lease: number
  readonly maxMessages: number
  readonly maxBytes: number
  readonly #dispatcher: Dispatcher
  readonly #resolve: (response: ReceiveResponse) => void
  readonly #reject: (error: PortalError) => void
  readonly #forgetSignal: () => void
  readonly #timer: Timer | undefined
  granted = false
  done = false

  /** `timeout`: milliseconds. The signal has not aborted yet. */
  constructor(
    dispatcher: Dispatcher,
    request: ReceiveRequest,
    local: boolean,
    { timers }: Runtime,
    timeout: number | undefined,
    signal: CallOptions['signal'],
    resolve: (response: ReceiveResponse) => void,
    reject: (error: PortalError) => void,
  ) {
    this.consumer = request.consumer
    this.id = request.id
    this.local = local
    this.lease = request.lease
    this.maxMessages = Math.min(request.maxMessages, MAX_MESSAGES)
    this.maxBytes = Math.min(request.maxBytes, MAX_BYTES)
    this.#dispatcher = dispatcher
    this.#resolve = resolve
    this.#reject = reject
    this.#forgetSignal = onAbort(signal, () => this.fail(abortedError('receive', signal!)))
    if (timeout !== undefined && timeout < FOREVER) this.#timer = timers.setTimeout(() => this.end(), timeout)
    dispatcher.add(this)
  }

  deliver(delivery: Delivery, more: boolean): void {
    if (this.#end()) this.#resolve({ deliveries: [delivery], more })
  }

  fail(error: PortalError): void {
    if (this.#end()) this.#reject(error)
  }

  /** An answer that is on its way is waited for. */
  end(): void {
    if (!this.granted && this.#end()) this.#resolve({ deliveries: [] })
  }

  /** False if it has ended before. */
  #end(): boolean {
    if (this.done) return false
    this.done = true
    this.#timer?.cancel()
    this.#forgetSignal()
    if (!this.granted) this.#dispatcher.waiters.delete(this)
    return true
  }
}
