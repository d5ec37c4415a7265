import { PortalError } from '../../../src/core/errors.js'
import type {
  BrokerAddress,
  BrokerService,
  CallOptions,
  Delivery,
  ReceiveRequest,
  TopicRoute,
} from '../../../src/protocol/service.js'
import type { ClusterRoutes } from '../../../src/routing/routes.js'
import { type VirtualRuntime, virtualRuntime } from '../../../src/runtime/virtual.js'
import { sleepUntil } from '../../../src/runtime/wait.js'

export const TOPIC = 'topic-1'

interface FakePartition {
  /** The first byte of each record batch that was appended. */
  readonly log: number[]
  /** Offsets that nobody has. */
  free: number[]
  /** By the token's index: who has which offset. */
  readonly leases: Map<number, { readonly consumer: string; readonly offset: number }>
  readonly settled: Set<number>
}

/** A call that reached a broker. */
export interface SeenCall {
  readonly broker: string
  readonly name: string
  readonly request: unknown
  readonly forwarded: boolean
}

/** Several brokers in one place, which agree on everything: what they lead is their own to answer for. */
export class FakeCluster {
  readonly runtime: VirtualRuntime
  readonly partitions: FakePartition[]
  readonly calls: SeenCall[] = []
  readonly brokers = new Map<string, FakeBroker>()
  /** Who leads now. */
  readonly leaders: (string | null)[]
  /** Those who are told of what changes. */
  readonly #views = new Set<FakeRoutes>()
  #tokens = 0

  constructor(leaders: readonly (string | null)[], ids: readonly string[], seed = 1) {
    this.runtime = virtualRuntime({ seed })
    this.leaders = [...leaders]
    this.partitions = leaders.map(() => ({ log: [], free: [], leases: new Map(), settled: new Set() }))
    for (const id of ids) this.brokers.set(id, new FakeBroker(this, id))
  }

  broker(id: string): FakeBroker {
    return this.brokers.get(id)!
  }

  get addresses(): BrokerAddress[] {
    return [...this.brokers.values()].map(({ id }) => ({ id, url: `http://${id}` }))
  }

  get route(): TopicRoute {
    const { addresses } = this
    return {
      topicId: TOPIC,
      name: 't',
      partitions: this.leaders.length,
      maxMessageBytes: 1_000,
      leaders: [...this.leaders],
      brokers: addresses,
    }
  }

  /** Leadership moves; whoever knows the routes by being told is told after so many milliseconds. */
  move(partition: number, to: string | null, toldAfter = 0): void {
    const before = this.leaders[partition]
    this.leaders[partition] = to
    if (before) this.broker(before).lost()
    for (const broker of this.brokers.values()) broker.wake()
    this.runtime.timers.setTimeout(() => this.tell(), toldAfter)
  }

  /** Those who are told of changes are told. */
  tell(): void {
    for (const view of this.#views) view.take(this.route)
  }

  append(partition: number, value: number): number {
    const { log, free } = this.partitions[partition]!
    log.push(value)
    free.push(log.length - 1)
    for (const broker of this.brokers.values()) broker.wake()
    return log.length - 1
  }

  lease(partition: number, consumer: string): Delivery {
    const place = this.partitions[partition]!
    const offset = place.free.shift()!
    const index = ++this.#tokens
    place.leases.set(index, { consumer, offset })
    const records = Uint8Array.of(place.log[offset]!)
    return {
      partition,
      token: { epoch: 1, index, slot: 0 },
      batches: [{ baseOffset: offset, records, ranges: [offset, offset + 1], deliveryCounts: [] }],
    }
  }

  /** Routes as somebody sees them who is told of changes. */
  told(): FakeRoutes {
    const view = new FakeRoutes(this)
    this.#views.add(view)
    return view
  }

  /** The way to a broker over a network: a millisecond there, one back. */
  connectTo = ({ id }: BrokerAddress): BrokerService => {
    const { timers } = this.runtime
    const pass = (name: string) => async (request: unknown, call?: CallOptions) => {
      const broker = this.brokers.get(id)
      const hop = () => new Promise<void>((resolve) => void timers.setTimeout(resolve, 1))
      await hop()
      if (broker === undefined || broker.isDead) throw disconnected(id)
      const answer = Promise.resolve(
        (broker.service as never as Record<string, Method>)[name]!(request, call),
      )
      const died = broker.untilDead()
      const [value] = await Promise.all([Promise.race([answer, died.promise]).finally(died.forget), hop()])
      if (broker.loses.delete(name)) throw disconnected(id)
      return value
    }
    return new Proxy({}, { get: (_, name) => pass(String(name)) }) as BrokerService
  }
}

type Method = (request: unknown, call?: CallOptions) => unknown

/** Routes that change when they are told to, and count who doubts them. */
export class FakeRoutes implements ClusterRoutes {
  readonly #cluster: FakeCluster
  readonly #listeners = new Set<(topicId: string | undefined) => void>()
  current: TopicRoute
  doubts = 0

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster
    this.current = cluster.route
  }

  take(route: TopicRoute): void {
    this.current = route
    for (const listener of [...this.#listeners]) listener(route.topicId)
  }

  find(topicId: string): TopicRoute | undefined {
    return topicId === this.current.topicId ? this.current : undefined
  }

  findByName(name: string): TopicRoute | undefined {
    return name === this.current.name ? this.current : undefined
  }

  brokers(): readonly BrokerAddress[] {
    return this.#cluster.addresses
  }

  placement() {
    return { epoch: 7, replicas: ['a', 'b'], inSync: ['a'] }
  }

  doubt(): void {
    this.doubts++
  }

  onChange(listener: (topicId: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export class FakeBroker {
  readonly id: string
  readonly service: BrokerService
  /** Calls whose next answer gets lost. */
  readonly loses = new Set<string>()
  isDead = false
  readonly #cluster: FakeCluster
  readonly #waits = new Set<{
    readonly hint: boolean
    readonly look: () => void
    readonly end: () => void
    readonly fail: (error: PortalError) => void
  }>()
  readonly #deaths = new Set<(error: PortalError) => void>()
  readonly locks = new Map<string, number>()

  constructor(cluster: FakeCluster, id: string) {
    this.#cluster = cluster
    this.id = id
    this.service = this.#makeService()
  }

  /** Calls under way fail, and so do those to come. */
  die(): void {
    this.isDead = true
    for (const fail of [...this.#deaths]) fail(disconnected(this.id))
  }

  untilDead(): { promise: Promise<never>; forget: () => void } {
    let fail!: (error: PortalError) => void
    const promise = new Promise<never>((_, reject) => {
      fail = reject
    })
    promise.catch(() => {})
    this.#deaths.add(fail)
    return { promise, forget: () => this.#deaths.delete(fail) }
  }

  wake(): void {
    for (const { look } of [...this.#waits]) look()
  }

  /** It leads something no more: whoever waits here hears of it. What still leads something answers with nothing to those who would lease. */
  lost(): void {
    for (const { hint, end, fail } of [...this.#waits]) {
      if (hint || this.#led.length === 0) fail(notLeader(this.id))
      else end()
    }
  }

  get waiting(): number {
    return this.#waits.size
  }

  get #led(): number[] {
    return this.#cluster.leaders.flatMap((id, partition) => (id === this.id ? [partition] : []))
  }

  #leads(partition: number): void {
    if (this.#cluster.leaders[partition] !== this.id) throw notLeader(this.id)
  }

  async #receive(request: ReceiveRequest, { signal }: CallOptions = {}) {
    const cluster = this.#cluster
    if (this.#led.length === 0) throw notLeader(this.id)
    if (request.held !== undefined) this.#giveBack(request)
    const find = () => this.#led.find((partition) => cluster.partitions[partition]!.free.length > 0)
    const ends = { timeout: request.wait, signal }
    const partition =
      find() ??
      (await sleepUntil<number>(cluster.runtime.timers, 'receive', ends, (resolve, reject) => {
        const wait = {
          hint: request.hint === true,
          end: () => resolve(undefined),
          look: () => {
            const found = find()
            if (found !== undefined) resolve(found)
          },
          fail: reject,
        }
        this.#waits.add(wait)
        return () => this.#waits.delete(wait)
      }))
    const found = partition !== undefined && find()
    if (request.hint || typeof found !== 'number') return { deliveries: [] }
    const deliveries: Delivery[] = []
    while (deliveries.length < request.maxMessages && cluster.partitions[found]!.free.length > 0)
      deliveries.push(cluster.lease(found, request.consumer))
    return { deliveries }
  }

  #giveBack({ consumer, held }: ReceiveRequest): void {
    for (const partition of this.#led) {
      const { leases, free } = this.#cluster.partitions[partition]!
      for (const [index, lease] of leases) {
        if (lease.consumer !== consumer || held!.some(({ token }) => token.index === index)) continue
        leases.delete(index)
        free.push(lease.offset)
      }
    }
  }

  #makeService(): BrokerService {
    const cluster = this.#cluster
    const service: Partial<BrokerService> = {
      produce: async ({ batches }) => ({
        results: batches.map(({ partition, records }) => {
          if (cluster.leaders[partition] !== this.id) return { error: notLeader(this.id) }
          return { runs: [1, cluster.append(partition, records[0]!), 0] }
        }),
      }),
      receive: (request, call) => this.#receive(request, call),
      settle: async ({ settlements }) => {
        for (const { partition } of settlements) this.#leads(partition)
        return {
          lost: settlements.map(({ partition, token, ranges }) => {
            const { leases, settled } = cluster.partitions[partition]!
            if (!leases.delete(token.index)) return ranges
            settled.add(ranges[0]!)
            return []
          }),
        }
      },
      read: async ({ partition }) => {
        this.#leads(partition)
        return { batches: [], nextOffset: 0, endOffset: cluster.partitions[partition]!.log.length }
      },
      findOffset: async ({ partition }) => {
        this.#leads(partition)
        return { offset: cluster.partitions[partition]!.log.length }
      },
      explain: async ({ partition }) => {
        this.#leads(partition)
        return { state: 'available', reason: `Says ${this.id}.` }
      },
      findTopic: async () => {
        const { leaders: _, brokers: __, ...route } = cluster.route
        return route
      },
      describeTopic: async () => ({
        name: 't',
        id: TOPIC,
        createdAt: new Date(0),
        config: { partitions: cluster.leaders.length } as never,
        partitions: this.#led.map((partition) => ({
          partition,
          leader: { id: this.id, url: undefined },
          epoch: 1,
          replicas: [],
          inSync: [],
          firstOffset: 0,
          nextOffset: cluster.partitions[partition]!.log.length,
          messages: 0,
          bytes: 0,
        })),
      }),
      listGroups: async () => [
        {
          name: 'g',
          topic: 't',
          paused: false,
          lag: this.#led.reduce((sum, partition) => sum + cluster.partitions[partition]!.log.length, 0),
        },
      ],
      describeCluster: async () => ({
        clusterId: 'x',
        brokers: [],
        topics: 1,
        partitions: 1,
        storage: { usedBytes: 0, freeBytes: 0 },
      }),
      addCredit: async () => {},
      endStream: async () => {},
      endReceive: async () => {},
      acquireLock: async ({ name }) => {
        const token = this.locks.size + 1 + [...this.id].reduce((sum, c) => sum + c.charCodeAt(0), 0) * 100
        this.locks.set(name, token)
        return { token }
      },
      renewLock: async ({ name, token }) => {
        if (this.locks.get(name) !== token) throw new PortalError('LOCK_LOST', 'Not here.')
      },
      releaseLock: async ({ name, token }) => {
        if (this.locks.get(name) === token) this.locks.delete(name)
      },
    }
    const seen: Record<string, unknown> = {}
    for (const [name, method] of Object.entries(service)) {
      seen[name] = async (request: unknown, call?: CallOptions) => {
        cluster.calls.push({ broker: this.id, name, request, forwarded: call?.forwarded === true })
        return (method as Method)(request, call)
      }
    }
    return seen as unknown as BrokerService
  }
}

export function disconnected(id: string): PortalError {
  return new PortalError('DISCONNECTED', `Broker ${id} does not answer.`)
}

export function notLeader(id: string): PortalError {
  return new PortalError('NOT_LEADER', `Broker ${id} does not lead it.`)
}
