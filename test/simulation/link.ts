import { isPortalError, PortalError } from '../../src/core/errors.js'
import type { BrokerService, ProduceResponse } from '../../src/protocol/service.js'
import type { HttpHandler } from '../../src/transport/http/exchange.js'
import type { Scheduler } from './scheduler.js'
import { Violation } from './violation.js'

/** The broker as it can be reached now; undefined while it is down. */
export interface Reachable {
  readonly life: number
  readonly local: BrokerService
  readonly remote: BrokerService
  /** The same as `remote`, over HTTP. */
  readonly http: HttpHandler
  alive(): boolean
}

type Method = Exclude<keyof BrokerService, 'listTopics'>
type Request<M extends Method> = Parameters<BrokerService[M]>[0]
type Answer<M extends Method> = Awaited<ReturnType<BrokerService[M]>>

/** What a client calls. Rejects with a PortalError; DISCONNECTED: nobody knows what became of the call. */
export type Call = <M extends Method>(method: M, request: Request<M>, timeout: number) => Promise<Answer<M>>

/** Error codes that no honest client may see while the disk is sound. */
export const IMPOSSIBLE = new Set(['INVALID_ARGUMENT', 'UNSUPPORTED', 'MESSAGE_TOO_LARGE'])

export interface LinkFaults {
  /** Share of requests, and of answers, that are lost. */
  loss: number
  /** Share of requests that arrive twice. */
  duplicates: number
  /** Most milliseconds that one takes; now and then it takes a hundred times as long. */
  delay: number
}

/** The network between clients and the broker: late, lossy, repeating. What is under way outlives the broker. */
export function remoteLink(
  scheduler: Scheduler,
  faults: LinkFaults,
  broker: () => Reachable | undefined,
  onError: (error: PortalError) => void,
): Call {
  const travel = () => {
    const long = faults.delay > 0 && scheduler.chance(0.01)
    return scheduler.sleep(scheduler.random() * faults.delay * (long ? 100 : 1))
  }

  async function serve<M extends Method>(
    method: M,
    request: Request<M>,
    signal: AbortSignal,
  ): Promise<Answer<M>> {
    await travel()
    if (scheduler.chance(faults.loss)) return never()
    const reached = broker()
    if (!reached?.alive()) throw disconnected(method)
    const answer = await perform(reached, reached.remote, method, request, signal, onError)
    if (scheduler.chance(faults.loss)) return never()
    await travel()
    return answer
  }

  return (method, request, timeout) => {
    const control = new AbortController()
    const attempts = [serve(method, request, control.signal)]
    // Both are served, and the first answer counts.
    if (scheduler.chance(faults.duplicates)) attempts.push(serve(method, request, control.signal))
    return new Promise((resolve, reject) => {
      const timer = scheduler.after(timeout, () => {
        reject(disconnected(method))
        // The broker learns that nobody waits any more, or does not.
        if (scheduler.chance(0.5)) scheduler.after(scheduler.random() * faults.delay, () => control.abort())
      })
      for (const attempt of attempts) {
        attempt.then(
          (answer) => {
            timer.cancel()
            resolve(answer)
          },
          (error: unknown) => {
            timer.cancel()
            if (error instanceof Violation) scheduler.fail(error)
            reject(error)
          },
        )
      }
    })
  }
}

/** Calls from the broker's own process: nothing is lost, and the caller dies with it. */
export function localLink(
  scheduler: Scheduler,
  broker: () => Reachable | undefined,
  onError: (error: PortalError) => void,
): Call {
  return async <M extends Method>(method: M, request: Request<M>, timeout: number): Promise<Answer<M>> => {
    const reached = broker()
    if (!reached?.alive()) throw disconnected(method)
    const control = new AbortController()
    const timer = scheduler.after(timeout, () => control.abort())
    try {
      return await perform(reached, reached.local, method, request, control.signal, onError)
    } catch (error) {
      if (error instanceof Violation) scheduler.fail(error)
      throw error
    } finally {
      timer.cancel()
    }
  }
}

async function perform<M extends Method>(
  reached: Reachable,
  service: BrokerService,
  method: M,
  request: Request<M>,
  signal: AbortSignal,
  onError: (error: PortalError) => void,
): Promise<Answer<M>> {
  const call = service[method] as (request: Request<M>, call: { signal: AbortSignal }) => Promise<Answer<M>>
  try {
    const answer = await call(request, { signal })
    // Whoever died meanwhile has answered nothing.
    if (!reached.alive()) return await never()
    if (method === 'produce') {
      for (const { error } of (answer as ProduceResponse).results) if (error) onError(error)
    }
    return answer
  } catch (error) {
    if (!reached.alive()) return never()
    if (!isPortalError(error))
      throw new Violation(`${method} rejected with ${String((error as Error)?.stack ?? error)}`)
    if (IMPOSSIBLE.has(error.code))
      throw new Violation(`${method} was refused: ${error.code} ${error.message}`)
    onError(error)
    throw error
  }
}

function disconnected(method: string): PortalError {
  return new PortalError('DISCONNECTED', `${method}: no answer.`)
}

function never(): Promise<never> {
  return new Promise(() => {})
}
