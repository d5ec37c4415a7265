import { abortedError, isPortalError, type PortalError } from '../core/errors.js'
import type { CallOptions, RemoteService, StreamService } from '../protocol/service.js'
import type { CallSignal } from '../runtime/call-signal.js'
import type { Runtime } from '../runtime/runtime.js'
import { pause, retryDelay } from './backoff.js'
import { within } from './signals.js'

/** One of the addresses under which the broker may be reached. */
export interface Way {
  readonly url: string
  readonly service: RemoteService
}

export interface FailoverOptions {
  readonly runtime: Runtime
  /** Aborts when the connection closes: its reason is what calls reject with. */
  readonly closed: AbortSignal
  /** Milliseconds that a call waits for a broker that is away before it rejects with DISCONNECTED. */
  readonly patience: number
  /** Where the ways have streams: opens them over the one that is chosen. */
  readonly stream?: ((chooser: WayChooser) => StreamService['receiveStream']) | undefined
  /** A broker stopped answering. */
  onDisconnect(url: string, error: PortalError): void
  /** One answers again, after so many milliseconds. */
  onConnect(url: string, away: number): void
}

/** The longest pause between two looks for a broker that is away (ms): who waits for it is back soon after it is. */
const LONGEST_PAUSE = 500

/**
 * A service over several addresses. It stays with one as long as that answers; when it does not, one loop looks for another while all calls
 * sleep, so that a broker that comes back is not met by thousands of knocks. Calls that were under way reject with DISCONNECTED: whether to repeat
 * them is for their callers to say.
 */
export function failover(ways: readonly Way[], options: FailoverOptions): RemoteService {
  const chooser = new WayChooser(ways, options)
  const wrapped: Record<string, unknown> = {}
  for (const name of Object.keys(ways[0]!.service) as (keyof RemoteService)[]) {
    wrapped[name] = async (request: unknown, call?: CallOptions) => {
      // Methods without a request have their options first; and no request has a signal.
      const signal = (call ?? (request as CallOptions | undefined))?.signal
      const way = chooser.isAway ? await chooser.whenBack(signal) : chooser.current
      try {
        return await (way.service[name] as (...args: unknown[]) => Promise<unknown>)(request, call)
      } catch (error) {
        throw chooser.heard(way, error)
      }
    }
  }
  if (options.stream !== undefined) wrapped.receiveStream = options.stream(chooser)
  return wrapped as unknown as RemoteService
}

/** Knows which way is taken. */
export class WayChooser {
  readonly #ways: readonly Way[]
  readonly #options: FailoverOptions
  #at = 0
  /** Resolves when a broker answers again; undefined while one does. */
  #search: Promise<void> | undefined
  #lastError: PortalError | undefined

  constructor(ways: readonly Way[], options: FailoverOptions) {
    this.#ways = ways
    this.#options = options
  }

  get current(): Way {
    return this.#ways[this.#at]!
  }

  get isAway(): boolean {
    return this.#search !== undefined
  }

  /** The way that answers again. Rejects when it takes too long, the signal aborts or the connection closes. */
  async whenBack(signal: CallSignal | undefined): Promise<Way> {
    const { runtime, patience, closed } = this.#options
    await within(runtime.timers, patience, this.#search!, signal)
    if (closed.aborted) throw closed.reason
    if (signal?.aborted) throw abortedError('Waiting for the broker', signal)
    if (this.isAway) throw this.#lastError!
    return this.current
  }

  /** What a call's error means to its caller. */
  heard(way: Way, error: unknown): unknown {
    const { closed } = this.#options
    if (closed.aborted) return closed.reason
    if (isPortalError(error, 'DISCONNECTED')) this.#failed(way, error)
    return error
  }

  #failed(way: Way, error: PortalError): void {
    this.#lastError = error
    if (this.isAway || way !== this.current) return
    this.#options.onDisconnect(way.url, error)
    this.#search = this.#find()
  }

  async #find(): Promise<void> {
    const { runtime, closed } = this.#options
    const since = runtime.clock.monotonic()
    for (let failures = 0; !closed.aborted; failures++) {
      // The one that failed may have cut one connection only: it is asked first.
      for (let step = 0; step < this.#ways.length && !closed.aborted; step++) {
        const at = (this.#at + step) % this.#ways.length
        if (!(await this.#answers(this.#ways[at]!))) continue
        this.#at = at
        this.#search = undefined
        this.#options.onConnect(this.current.url, runtime.clock.monotonic() - since)
        return
      }
      const delay = Math.min(LONGEST_PAUSE, retryDelay(failures + 1, runtime.random))
      await pause(runtime.timers, delay, closed)
    }
  }

  /** Whether there is a broker: one that says no is there, too. */
  async #answers({ service }: Way): Promise<boolean> {
    try {
      await service.describeCluster({ signal: this.#options.closed })
      return true
    } catch (error) {
      const isAway = isPortalError(error, 'DISCONNECTED', 'ABORTED')
      if (isAway) this.#lastError = error
      return !isAway
    }
  }
}
