import { isPortalError } from '../core/errors.js'
import type { BrokerAddress, BrokerService, TopicRoute } from '../protocol/service.js'
import { retryDelay } from '../runtime/pause.js'
import type { Runtime } from '../runtime/runtime.js'
import { sleepUntil } from '../runtime/wait.js'
import type { RouteSource } from './routes.js'

/** A broker that leads partitions, and the way to it. */
export interface Leader {
  readonly id: string
  readonly service: BrokerService
}

export interface LeadersOptions {
  readonly runtime: Runtime
  readonly routes: RouteSource
  /** The broker that asks, if one does: what it leads is not asked for over a network. */
  readonly self?: Leader | undefined
  /** The way to another broker; called once for each address of it. */
  connectTo(broker: BrokerAddress): BrokerService
}

/** A leader, or a broker, that said no: it is not asked again before `until` (monotonic) unless its route changes. */
interface Doubt {
  readonly leader: string
  readonly until: number
  readonly failures: number
}

/** The longest time for which who said no is left alone (ms). */
const LONGEST_DOUBT = 500

/**
 * Who leads which partition, as far as is known and not doubted. A leader that says NOT_LEADER is doubted for that partition until its route
 * changes, one that is away is doubted for all; after a while each is asked again, later each time. So neither is knocked at by every call.
 */
export class Leaders {
  readonly #options: LeadersOptions
  readonly #connected = new Map<string, { readonly url: string; readonly leader: Leader }>()
  /** By topic id and partition. */
  readonly #doubts = new Map<string, Map<number, Doubt>>()
  /** By broker id. */
  readonly #away = new Map<string, Doubt>()
  readonly #listeners = new Set<(topicId: string | undefined) => void>()

  constructor(options: LeadersOptions) {
    this.#options = options
    options.routes.onChange((topicId) => {
      if (topicId === undefined) this.#doubts.clear()
      else this.#doubts.delete(topicId)
      this.#changed(topicId)
    })
  }

  get runtime(): Runtime {
    return this.#options.runtime
  }

  /** Undefined: nobody leads it, its leader is doubted, or nothing is known. */
  of(topicId: string, partition: number): Leader | undefined {
    const route = this.#options.routes.find(topicId)
    // Of what is not there this broker says so itself.
    if (route === undefined || partition >= route.partitions) return this.#options.self
    return this.#leaderIn(route, partition)
  }

  /** The leaders of a topic, and whether every partition has one of them. */
  ofTopic(topicId: string): { readonly leaders: readonly Leader[]; readonly complete: boolean } {
    const route = this.#options.routes.find(topicId)
    const { self } = this.#options
    if (route === undefined) return { leaders: self ? [self] : [], complete: self !== undefined }
    const leaders = new Set<Leader>()
    let complete = true
    for (let partition = 0; partition < route.partitions; partition++) {
      const leader = this.#leaderIn(route, partition)
      if (leader === undefined) complete = false
      else leaders.add(leader)
    }
    return { leaders: [...leaders], complete }
  }

  /** The way to any broker; undefined while it is away, unless `evenAway`. */
  broker(address: BrokerAddress, evenAway: boolean): Leader | undefined {
    const isAway = !evenAway && this.#isDoubted(this.#away.get(address.id))
    return isAway ? undefined : this.#connect(address)
  }

  /** Whether it did not answer when it was asked last. */
  wasAway(leader: Leader): boolean {
    return this.#away.has(leader.id)
  }

  /** Takes note of what a leader said to a call about these partitions (undefined: about all that it leads of the topic). */
  heard(
    leader: Leader,
    topicId: string | undefined,
    partitions: readonly number[] | undefined,
    error?: unknown,
  ): void {
    if (isPortalError(error, 'DISCONNECTED')) {
      this.#away.set(leader.id, this.#doubt(leader, this.#away.get(leader.id), undefined))
      if (topicId !== undefined) this.#options.routes.doubt(topicId)
    } else this.#away.delete(leader.id)
    if (topicId === undefined) return
    if (isPortalError(error, 'NOT_LEADER')) {
      this.#doubtPartitions(leader, topicId, partitions ?? this.#ledBy(leader, topicId))
      this.#options.routes.doubt(topicId)
    } else if (error === undefined) this.#trust(topicId, partitions)
  }

  /** Calls back when routes change, and when a doubt is over. Returns what forgets it. */
  onChange(listener: (topicId: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sleeps until `test` holds after a change, at most so many milliseconds. Rejects with ABORTED. */
  async until(test: () => boolean, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    if (test()) return
    await sleepUntil<true>(this.runtime.timers, 'Waiting for a leader', { timeout, signal }, (resolve) =>
      this.onChange(() => {
        if (test()) resolve(true)
      }),
    )
  }

  #leaderIn(route: TopicRoute, partition: number): Leader | undefined {
    const id = route.leaders?.[partition]
    if (id == null) return undefined
    const doubt = this.#doubts.get(route.topicId)?.get(partition)
    if (doubt?.leader === id && this.#isDoubted(doubt)) return undefined
    const { self } = this.#options
    if (id === self?.id) return self
    if (this.#isDoubted(this.#away.get(id))) return undefined
    const address = route.brokers?.find((broker) => broker.id === id)
    return address && this.#connect(address)
  }

  #connect(address: BrokerAddress): Leader {
    const { self, connectTo } = this.#options
    if (address.id === self?.id) return self
    const known = this.#connected.get(address.id)
    if (known?.url === address.url) return known.leader
    const leader = { id: address.id, service: connectTo(address) }
    this.#connected.set(address.id, { url: address.url, leader })
    return leader
  }

  #ledBy(leader: Leader, topicId: string): number[] {
    const leaders = this.#options.routes.find(topicId)?.leaders ?? []
    return leaders.flatMap((id, partition) => (id === leader.id ? [partition] : []))
  }

  #doubtPartitions(leader: Leader, topicId: string, partitions: readonly number[]): void {
    const doubts = this.#doubts.get(topicId) ?? new Map<number, Doubt>()
    this.#doubts.set(topicId, doubts)
    for (const partition of partitions)
      doubts.set(partition, this.#doubt(leader, doubts.get(partition), topicId))
  }

  #trust(topicId: string, partitions: readonly number[] | undefined): void {
    const doubts = this.#doubts.get(topicId)
    if (doubts === undefined) return
    for (const partition of partitions ?? []) doubts.delete(partition)
  }

  #doubt(leader: Leader, before: Doubt | undefined, topicId: string | undefined): Doubt {
    const { clock, timers, random } = this.runtime
    // Calls that were under way together fail together: that is one failure.
    if (before?.leader === leader.id && this.#isDoubted(before)) return before
    const failures = before?.leader === leader.id ? before.failures + 1 : 1
    const delay = Math.min(LONGEST_DOUBT, retryDelay(failures, random))
    // Rounded up: a timer may fire a little early, and who waits for it would find the doubt still there.
    timers.setTimeout(() => this.#changed(topicId), Math.ceil(delay) + 1)
    return { leader: leader.id, until: clock.monotonic() + delay, failures }
  }

  #isDoubted(doubt: Doubt | undefined): boolean {
    return doubt !== undefined && doubt.until > this.runtime.clock.monotonic()
  }

  #changed(topicId: string | undefined): void {
    for (const listener of [...this.#listeners]) listener(topicId)
  }
}
