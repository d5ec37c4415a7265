import { abortedError, isPortalError, PortalError } from '../../src/core/errors.js'
import type { CallSignal } from '../../src/runtime/call-signal.js'
import { onAbort } from '../../src/runtime/on-abort.js'
import type { Life } from './life.js'
import type { Scheduler } from './scheduler.js'
import { Violation } from './violation.js'
import type { Wires } from './wires.js'

/** One call from a process to whoever listens at `to`. */
export interface Call<S, T> {
  readonly from: string
  /** The caller's. */
  readonly life: Life
  readonly to: string
  readonly name: string
  /** How long it may wait on purpose (ms). */
  readonly wait: number
  readonly signal: CallSignal | undefined
  /** It is on a connection that does not carry anything twice. */
  readonly isOnce?: boolean | undefined
  /** What arrives there. Called once for each copy of the request. */
  serve(service: S, signal: AbortSignal): Promise<T>
}

interface Listening<S> {
  readonly life: Life
  readonly service: S
}

type Outcome<T> = { readonly answer: T } | { readonly error: PortalError }

/** After so much silence beyond what it asked to wait a caller gives up (ms). */
const PATIENCE = 2_000

/** Calls between processes, over wires that lose, double, delay and reorder. */
export class Calls<S> {
  readonly #scheduler: Scheduler
  readonly #wires: Wires
  readonly #listening = new Map<string, Listening<S>>()
  readonly #ended: (address: string, life: Life) => void

  /** `ended`: whoever listened at an address does no more; perhaps it has died. */
  constructor(scheduler: Scheduler, wires: Wires, ended: (address: string, life: Life) => void = () => {}) {
    this.#scheduler = scheduler
    this.#wires = wires
    this.#ended = ended
  }

  /** Can be reached until it is no more. Returns what ends it. */
  listen(address: string, life: Life, service: S): () => void {
    const listening = { life, service }
    this.#listening.set(address, listening)
    return () => {
      if (this.#listening.get(address) === listening) this.#listening.delete(address)
      this.#ended(address, life)
    }
  }

  /** Whoever listens there now. */
  at(address: string): Listening<S> | undefined {
    return this.#listening.get(address)
  }

  /** Something arrives that nobody waits for. */
  later(arrive: () => void): void {
    this.#scheduler.after(this.#wires.delay(), arrive)
  }

  call<T>(call: Call<S, T>): Promise<T> {
    const { life, name, signal, wait } = call
    if (signal?.aborted) return Promise.reject(abortedError(name, signal))
    const control = new AbortController()
    const isDoubled = !call.isOnce && this.#scheduler.chance(this.#wires.faults.duplicates)
    const attempts = Array.from({ length: isDoubled ? 2 : 1 }, () =>
      this.#attempt(call, isDoubled, control.signal),
    )
    return new Promise((resolve, reject) => {
      const end = (tell: () => void) =>
        life.enter(() => {
          timer.cancel()
          forget()
          tell()
        })
      const giveUp = (error: PortalError) => {
        end(() => reject(error))
        // The other side learns that nobody waits any more, or does not.
        if (this.#scheduler.chance(0.5)) this.#scheduler.after(this.#wires.delay(), () => control.abort())
      }
      const timer = this.#scheduler.after(wait + PATIENCE, () => giveUp(disconnected(call)))
      const forget = onAbort(signal, () => giveUp(abortedError(name, signal!)))
      for (const attempt of attempts) {
        attempt.then(
          (answer) => end(() => resolve(answer)),
          (error: unknown) => {
            if (error instanceof Violation) this.#scheduler.fail(error)
            end(() => reject(error))
          },
        )
      }
    })
  }

  async #attempt<T>(call: Call<S, T>, isDoubled: boolean, signal: AbortSignal): Promise<T> {
    const { from, to } = call
    await this.#scheduler.sleep(this.#wires.delay())
    if (!this.#wires.carries(from, to)) return this.#vanish(call)
    const reached = this.#listening.get(to)
    // Of one that came twice the other copy may arrive.
    if (!reached?.life.alive()) throw isDoubled ? disconnected(call) : refused(call)
    await reached.life.awake()
    const outcome = await this.#serve(call, reached, signal)
    // Whoever died or froze meanwhile has answered nothing yet.
    await reached.life.awake()
    if (!this.#wires.carries(to, from)) return this.#vanish(call)
    await this.#scheduler.sleep(this.#wires.delay())
    if ('error' in outcome) throw outcome.error
    return outcome.answer
  }

  async #serve<T>(call: Call<S, T>, { service }: Listening<S>, signal: AbortSignal): Promise<Outcome<T>> {
    try {
      return { answer: await call.serve(service, signal) }
    } catch (error) {
      if (error instanceof Violation) throw error
      if (!isPortalError(error))
        throw new Violation(
          `${call.to}: ${call.name} rejected with ${String((error as Error)?.stack ?? error)}`,
        )
      return { error: thrownElsewhere(call.to, error) }
    }
  }

  /** A connection breaks, or nothing is heard on it any more. */
  async #vanish<T>(call: Call<S, T>): Promise<never> {
    if (this.#scheduler.chance(0.5)) return new Promise(() => {})
    await this.#scheduler.sleep(this.#wires.delay())
    throw disconnected(call)
  }
}

/** As every transport says it. */
function thrownElsewhere(address: string, error: PortalError): PortalError {
  if (error.code === 'CLOSED') return new PortalError('DISCONNECTED', `The broker at ${address} stops.`)
  return new PortalError(error.code, error.message, { retriable: error.retriable })
}

/** Nobody listens: nothing was carried there. */
function refused({ name, to }: { readonly name: string; readonly to: string }): PortalError {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  return new PortalError('DISCONNECTED', `${name}: nobody listens at ${to}.`, { cause })
}

function disconnected({ name, to }: { readonly name: string; readonly to: string }): PortalError {
  return new PortalError('DISCONNECTED', `${name}: no answer from ${to}.`)
}
