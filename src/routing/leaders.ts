import { isPortalError } from '../core/errors.js'
import type { BrokerAddress, BrokerService, CallOptions, TopicRoute } from '../protocol/service.js'
import type { CallSignal } from '../runtime/call-signal.js'
import { pause, retryDelay } from '../runtime/pause.js'
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
  /** Whether a broker is to be tried out before a call is trusted to it: what stands between may let nothing through. @default false */
  readonly provesFirst?: boolean | undefined
  /** The way to another broker; called once for each address of it. */
  connectTo(broker: BrokerAddress): BrokerService
  readonly closed: AbortSignal
}

/** What goes on to a leader: it answers for itself, to this broker or client, which has seen to what the caller may do. */
export function passedOn(call: CallOptions | undefined): CallOptions {
  return { signal: call?.signal, forwarded: true }
}

/** A leader that said no: it is not asked again before `until` (monotonic) unless its route changes. */
interface Doubt {
  readonly leader: string
  readonly until: number
  readonly failures: number
}

/** The longest time for which who said no is left alone (ms). */
const LONGEST_DOUBT = 500
/** The longest pause between two looks for a broker that is away, perhaps for ever (ms). */
const LONGEST_AWAY = 10_000

/**
 * Who leads which partition, as far as is known and not doubted. A leader that says NOT_LEADER is doubted for that partition until its route
 * changes; after a while it is asked again, later each time. One that does not answer is looked for in the background, and no call is trusted to it
 * until it does: calls wait for it, or for another leader.
 */
export class Leaders {
  readonly #options: LeadersOptions
  readonly #connected = new Map<string, { readonly url: string; readonly leader: Leader }>()
  /** By topic id and partition. */
  readonly #doubts = new Map<string, Map<number, Doubt>>()
  readonly #away = new Set<Leader>()
  /** Ends the pauses between looks for those that are away: it may be worth another. */
  #lookAgain = new AbortController()
  readonly #listeners = new Set<(topicId: string | undefined) => void>()

  constructor(options: LeadersOptions) {
    this.#options = options
    options.routes.onChange((topicId) => {
      if (topicId === undefined) this.#doubts.clear()
      else this.#doubts.delete(topicId)
      this.#lookAgain.abort()
      this.#lookAgain = new AbortController()
      this.#changed(topicId)
    })
  }

  get runtime(): Runtime {
    return this.#options.runtime
  }

  /** Undefined: nobody leads it, its leader is doubted, or nothing is known. */
  of(topicId: string, partition: number): Leader | undefined {
    const route = this.#options.routes.find(topicId)
    // Of a topic that is not there this broker says so itself. It may not have been told yet of a partition.
    return route === undefined ? this.#options.self : this.#leaderIn(route, partition)
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
    const leader = this.#connect(address)
    return evenAway || !this.#away.has(leader) ? leader : undefined
  }

  /** Takes note of what a leader said to a call about these partitions (undefined: about all that it leads of the topic). */
  heard(
    leader: Leader,
    topicId: string | undefined,
    partitions: readonly number[] | undefined,
    error?: unknown,
  ): void {
    if (isPortalError(error, 'DISCONNECTED')) {
      if (leader !== this.#options.self) this.#lose(leader)
      if (topicId !== undefined) this.#options.routes.doubt(topicId)
    }
    if (topicId === undefined) return
    if (isPortalError(error, 'NOT_LEADER')) {
      this.#doubtPartitions(leader, topicId, partitions ?? this.#ledBy(leader, topicId))
      this.#options.routes.doubt(topicId)
    } else if (error === undefined) this.#trust(topicId, partitions)
  }

  /** A leader has ended before its time what waited there: it leads something no more that it led. */
  departed(topicId: string): void {
    this.#options.routes.doubt(topicId, true)
  }

  /** Calls back when routes change, and when a doubt is over. Returns what forgets it. */
  onChange(listener: (topicId: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sleeps until `test` holds after a change, at most so many milliseconds. Rejects with ABORTED. */
  async until(test: () => boolean, timeout: number, signal: CallSignal | undefined): Promise<void> {
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
    const address = route.brokers?.find((broker) => broker.id === id)
    return address && this.broker(address, false)
  }

  #connect(address: BrokerAddress): Leader {
    const { self, connectTo, provesFirst } = this.#options
    if (address.id === self?.id) return self
    const known = this.#connected.get(address.id)
    if (known?.url === address.url) return known.leader
    const leader = { id: address.id, service: connectTo(address) }
    this.#connected.set(address.id, { url: address.url, leader })
    if (provesFirst) this.#lose(leader, 0)
    return leader
  }

  /** It is away, until it is found. */
  #lose(leader: Leader, failures = 1): void {
    if (this.#away.has(leader)) return
    this.#away.add(leader)
    void this.#lookFor(leader, failures)
  }

  async #lookFor(leader: Leader, failures: number): Promise<void> {
    const { random, timers } = this.runtime
    const { closed } = this.#options
    for (; !closed.aborted && this.#connected.get(leader.id)?.leader === leader; failures++) {
      if (failures > 0) {
        const short = Math.min(LONGEST_DOUBT, retryDelay(failures, random))
        await pause(timers, short, closed)
        // The longer it is away the longer the pause, which a change of the routes ends.
        if (failures > 10) await pause(timers, Math.min(LONGEST_AWAY, 100 * failures), this.#lookAgain.signal)
      }
      if (await this.#answers(leader)) break
    }
    this.#away.delete(leader)
    this.#changed(undefined)
  }

  /** Whether there is a broker: one that says no is there, too. */
  async #answers({ service }: Leader): Promise<boolean> {
    try {
      await service.describeCluster(passedOn({ signal: this.#options.closed }))
      return true
    } catch (error) {
      return !isPortalError(error, 'DISCONNECTED', 'ABORTED')
    }
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

  #doubt(leader: Leader, before: Doubt | undefined, topicId: string): Doubt {
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
