import { abortedError, isPortalError, PortalError } from '../../src/core/errors.js'
import type { PeerService } from '../../src/protocol/peer-service.js'
import type { CallOptions } from '../../src/protocol/service.js'
import { copyMessage } from './copy-message.js'
import type { Life } from './life.js'
import type { Scheduler } from './scheduler.js'
import { Violation } from './violation.js'
import type { Wires } from './wires.js'

export type PeerMethod = keyof PeerService
export type PeerRequest<M extends PeerMethod> = Parameters<PeerService[M]>[0]
export type PeerAnswer<M extends PeerMethod> = Awaited<ReturnType<PeerService[M]>>

/** Who watches what brokers say to each other. */
export interface PeerWatcher {
  /** `broker` has answered, before anybody hears it. */
  answered<M extends PeerMethod>(
    broker: string,
    method: M,
    request: PeerRequest<M>,
    answer: PeerAnswer<M>,
  ): void
}

interface Listening {
  readonly life: Life
  readonly service: PeerService
}

/** After so much silence beyond what it asked to wait a caller gives up (ms). */
const PATIENCE = 2_000

/** What brokers say to each other, over wires that lose, double, delay and reorder. */
export class Peers {
  readonly #scheduler: Scheduler
  readonly #wires: Wires
  readonly #watcher: PeerWatcher
  readonly #listening = new Map<string, Listening>()

  constructor(scheduler: Scheduler, wires: Wires, watcher: PeerWatcher) {
    this.#scheduler = scheduler
    this.#wires = wires
    this.#watcher = watcher
  }

  /** `broker` can be reached until it is no more. Returns what ends it. */
  listen(broker: string, life: Life, service: PeerService): () => void {
    const listening = { life, service }
    this.#listening.set(broker, listening)
    return () => {
      if (this.#listening.get(broker) === listening) this.#listening.delete(broker)
    }
  }

  /** `to` as `from` reaches it. */
  connect(from: string, life: Life, to: string): PeerService {
    const method =
      <M extends PeerMethod>(name: M) =>
      (request: PeerRequest<M>, call?: CallOptions) =>
        this.#call({ from, life, to, name, request, signal: call?.signal })
    return {
      fetch: method('fetch'),
      readSnapshot: method('readSnapshot'),
      update: method('update'),
      handOver: method('handOver'),
      readBatches: method('readBatches'),
      append: method('append'),
    }
  }

  #call<M extends PeerMethod>(call: PeerCall<M>): Promise<PeerAnswer<M>> {
    const { life, name, signal } = call
    if (signal?.aborted) return Promise.reject(abortedError(name, signal))
    const control = new AbortController()
    // What is sent is what it was then.
    const attempt = () => this.#attempt({ ...call, request: copyMessage(call.request) }, control.signal)
    const attempts = [attempt()]
    if (this.#scheduler.chance(this.#wires.faults.duplicates)) attempts.push(attempt())
    return new Promise((resolve, reject) => {
      const end = (tell: () => void) =>
        life.enter(() => {
          timer.cancel()
          signal?.removeEventListener('abort', abort)
          tell()
        })
      const giveUp = (error: PortalError) => {
        end(() => reject(error))
        // The other side learns that nobody waits any more, or does not.
        if (this.#scheduler.chance(0.5)) this.#scheduler.after(this.#wires.delay(), () => control.abort())
      }
      const abort = () => giveUp(abortedError(name, signal!))
      const wait = 'wait' in call.request ? call.request.wait : 0
      const timer = this.#scheduler.after(wait + PATIENCE, () => giveUp(disconnected(call)))
      signal?.addEventListener('abort', abort, { once: true })
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

  async #attempt<M extends PeerMethod>(call: PeerCall<M>, signal: AbortSignal): Promise<PeerAnswer<M>> {
    const { from, to } = call
    await this.#scheduler.sleep(this.#wires.delay())
    if (!this.#wires.carries(from, to)) return this.#vanish(call)
    const reached = this.#listening.get(to)
    if (!reached?.life.alive()) throw disconnected(call)
    await reached.life.awake()
    const outcome = await this.#serve(call, reached, signal)
    // Whoever died or froze meanwhile has answered nothing yet.
    await reached.life.awake()
    if (!this.#wires.carries(to, from)) return this.#vanish(call)
    await this.#scheduler.sleep(this.#wires.delay())
    if ('error' in outcome) throw outcome.error
    return outcome.answer
  }

  async #serve<M extends PeerMethod>(
    { name, request, to }: PeerCall<M>,
    { service }: Listening,
    signal: AbortSignal,
  ): Promise<{ readonly answer: PeerAnswer<M> } | { readonly error: PortalError }> {
    const serve = service[name] as (
      request: PeerRequest<M>,
      call: { signal: AbortSignal },
    ) => Promise<PeerAnswer<M>>
    try {
      const answer = copyMessage(await serve.call(service, request, { signal }))
      this.#watcher.answered(to, name, request, answer)
      return { answer }
    } catch (error) {
      if (error instanceof Violation) throw error
      if (!isPortalError(error))
        throw new Violation(`${to}: ${name} rejected with ${String((error as Error)?.stack ?? error)}`)
      return { error: new PortalError(error.code, error.message) }
    }
  }

  /** A connection breaks, or nothing is heard on it any more. */
  async #vanish(call: PeerCall<PeerMethod>): Promise<never> {
    if (this.#scheduler.chance(0.5)) return new Promise(() => {})
    await this.#scheduler.sleep(this.#wires.delay())
    throw disconnected(call)
  }
}

interface PeerCall<M extends PeerMethod> {
  readonly from: string
  readonly life: Life
  readonly to: string
  readonly name: M
  readonly request: PeerRequest<M>
  readonly signal: AbortSignal | undefined
}

function disconnected({ name, to }: PeerCall<PeerMethod>): PortalError {
  return new PortalError('DISCONNECTED', `${name}: no answer from ${to}.`)
}
