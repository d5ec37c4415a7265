import { isPortalError } from '../core/errors.js'
import type { RemoteService, TopicRoute } from '../protocol/service.js'
import { pause, retryDelay } from '../runtime/pause.js'
import type { Runtime } from '../runtime/runtime.js'
import type { RouteSource } from './routes.js'

/** A route that is used and older than this (ms) is asked for again: leaders tell only those who wait there that another leads something, too. */
const FRESH = 5_000

/** A doubt that comes so long (ms) after the last answer is about something new. */
const SETTLED = 1_000

/** For how long (ms) a route that is past is asked for again and again while it stays what it was. */
const PAST_FOR = 2_000

interface Known {
  route: TopicRoute
  /** Monotonic. */
  heardAt: number
  asking: boolean
  /** Asked again before anything had changed. */
  unchanged: number
  /** Monotonic: until when another is asked for. */
  pastUntil: number
}

/**
 * The routes that a client has heard of, from whichever broker answered. A route that is doubted is asked for again: once for all who doubt it, and
 * less often the longer it stays what it was.
 */
export class ClientRoutes implements RouteSource {
  readonly #runtime: Runtime
  readonly #anyBroker: Pick<RemoteService, 'findTopic'>
  readonly #closed: AbortSignal
  readonly #known = new Map<string, Known>()
  readonly #listeners = new Set<(topicId: string | undefined) => void>()

  constructor(runtime: Runtime, anyBroker: Pick<RemoteService, 'findTopic'>, closed: AbortSignal) {
    this.#runtime = runtime
    this.#anyBroker = anyBroker
    this.#closed = closed
  }

  find(topicId: string): TopicRoute | undefined {
    const known = this.#known.get(topicId)
    if (known === undefined) return undefined
    if (!known.asking && this.#now - known.heardAt > FRESH) void this.#ask(known, 0)
    return known.route
  }

  doubt(topicId: string, isPast = false): void {
    const known = this.#known.get(topicId)
    if (known === undefined) return
    if (isPast) known.pastUntil = this.#now + PAST_FOR
    if (known.asking) return
    if (this.#now - known.heardAt > SETTLED) known.unchanged = 0
    this.#askAgain(known)
  }

  onChange(listener: (topicId: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes what a broker has answered. */
  learn(route: TopicRoute): void {
    const known = this.#known.get(route.topicId)
    const heardAt = this.#now
    if (known === undefined) {
      this.#known.set(route.topicId, { route, heardAt, asking: false, unchanged: 0, pastUntil: heardAt })
    } else {
      known.heardAt = heardAt
      if (JSON.stringify(known.route) === JSON.stringify(route)) return
      known.route = route
      known.unchanged = 0
      known.pastUntil = heardAt
    }
    this.#changed(route.topicId)
  }

  #askAgain(known: Known): void {
    void this.#ask(known, known.unchanged === 0 ? 0 : retryDelay(known.unchanged, this.#runtime.random))
  }

  async #ask(known: Known, delay: number): Promise<void> {
    known.asking = true
    const { topicId, name } = known.route
    if (delay > 0) await pause(this.#runtime.timers, delay, this.#closed)
    known.unchanged++
    try {
      const route = await this.#anyBroker.findTopic({ name }, { signal: this.#closed })
      if (route.topicId !== topicId) this.#forget(topicId)
      this.learn(route)
    } catch (error) {
      if (isPortalError(error, 'TOPIC_NOT_FOUND')) this.#forget(topicId)
      // Whatever else is asked again, by now or by the next call that doubts it.
    }
    known.heardAt = this.#now
    known.asking = false
    if (known.pastUntil > this.#now && !this.#closed.aborted) this.#askAgain(known)
  }

  /** Any broker says what has become of it. */
  #forget(topicId: string): void {
    this.#known.delete(topicId)
    this.#changed(topicId)
  }

  #changed(topicId: string): void {
    for (const listener of [...this.#listeners]) listener(topicId)
  }

  get #now(): number {
    return this.#runtime.clock.monotonic()
  }
}
