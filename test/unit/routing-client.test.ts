import { describe, expect, it } from 'vitest'
import type {
  BrokerAddress,
  BrokerService,
  CallOptions,
  ReceiveRequest,
  StreamRequest,
} from '../../src/protocol/service.js'
import { ClientRoutes } from '../../src/routing/client-routes.js'
import { type ClientRouting, clientRouting } from '../../src/routing/client-routing.js'
import { clusterService } from '../../src/routing/cluster-service.js'
import { LeaderStreams } from '../../src/routing/leader-streams.js'
import { Leaders } from '../../src/routing/leaders.js'
import { ReceiveStreams } from '../../src/routing/receive-streams.js'
import { pause } from '../../src/runtime/pause.js'
import { watch } from './client-support/fake-connection.js'
import { FakeCluster, type SeenCall, TOPIC } from './routing-support/fake-cluster.js'

const forever = new AbortController().signal

interface Setup {
  readonly cluster: FakeCluster
  readonly client: ClientRouting
  /** Those that a broker was asked for by a client, and not by another broker. */
  readonly passedOn: SeenCall[]
}

/** A client of three brokers, of which it was told a; `unreached` ones have addresses that lead nowhere from where it is. */
async function setup(leaders: readonly (string | null)[], unreached: readonly string[] = []): Promise<Setup> {
  const cluster = new FakeCluster(leaders, ['a', 'b', 'c'])
  const { runtime } = cluster
  const passedOn: SeenCall[] = []
  const routed = clusterService({
    runtime,
    routes: cluster.told(),
    self: { id: 'a', service: cluster.broker('a').service },
    connectTo: cluster.connectTo,
    closed: forever,
  })
  const anyBroker = new Proxy(routed, {
    get: (target, name) => (request: unknown, call?: object) => {
      passedOn.push({ broker: 'a', name: String(name), request, forwarded: false })
      return (target as never as Record<string, (...args: unknown[]) => unknown>)[String(name)]!(
        request,
        call,
      )
    },
  })
  const connectTo = (broker: BrokerAddress): BrokerService =>
    cluster.connectTo(unreached.includes(broker.id) ? { id: 'nowhere', url: '' } : broker)
  const client = clientRouting({ runtime, anyBroker, connectTo, closed: forever })
  client.learn(await runtime.runUntil(routed.findTopic({ name: 't' })))
  await runtime.advance(10)
  cluster.calls.length = 0
  return { cluster, client, passedOn }
}

const produce = ({ calls }: ClientRouting, partition: number, value = 1) =>
  calls.produce({
    acks: 'all',
    batches: [{ topicId: TOPIC, partition, records: Uint8Array.of(value) }],
  })

const RECEIVE: ReceiveRequest = {
  topicId: TOPIC,
  group: 'g',
  generation: 1,
  consumer: 'c',
  lease: 30_000,
  maxMessages: 1,
  maxBytes: 1_000,
}

describe('a client of several brokers', () => {
  it('talks to the leaders directly', async () => {
    const { cluster, client, passedOn } = await setup(['b', 'c'])
    await cluster.runtime.runUntil(Promise.all([produce(client, 0), produce(client, 1)]))
    expect(cluster.calls.map(({ broker }) => broker).sort()).toEqual(['b', 'c'])
    const received = await cluster.runtime.runUntil(client.calls.receive({ ...RECEIVE, wait: 1_000 }))
    expect(received.deliveries).toHaveLength(1)
    expect(passedOn).toEqual([])
  })

  it('has its calls passed on where it does not reach a leader, and no call pays for finding out', async () => {
    const { cluster, client, passedOn } = await setup(['b', 'c'], ['b'])
    for (let at = 0; at < 10; at++) {
      const { results } = await cluster.runtime.runUntil(produce(client, 0, at))
      expect(results[0]!.error).toBeUndefined()
      await cluster.runtime.advance(700)
    }
    expect(cluster.partitions[0]!.log).toHaveLength(10)
    expect(passedOn.filter(({ name }) => name === 'produce')).toHaveLength(10)
    const received = await cluster.runtime.runUntil(client.calls.receive({ ...RECEIVE, wait: 1_000 }))
    expect(received.deliveries).toHaveLength(1)
  })

  it('the try after a NOT_LEADER goes where the leader is known, and finds it itself from then on', async () => {
    const { cluster, client, passedOn } = await setup(['b'])
    cluster.move(0, 'c')
    await cluster.runtime.advance(1)
    const first = await cluster.runtime.runUntil(produce(client, 0))
    expect(first.results[0]!.error?.code).toBe('NOT_LEADER')
    const since = cluster.runtime.clock.monotonic()
    const second = await cluster.runtime.runUntil(produce(client, 0))
    expect(second.results[0]!.error).toBeUndefined()
    expect(cluster.runtime.clock.monotonic() - since).toBeLessThan(10)
    passedOn.length = 0
    await cluster.runtime.runUntil(produce(client, 0))
    expect(passedOn).toEqual([])
    expect(cluster.partitions[0]!.log).toHaveLength(2)
  })

  it('a leader that dies costs a failed call of each who asks it: those to come wait until there is another', async () => {
    const { cluster, client } = await setup(['b', 'c'])
    cluster.broker('b').die()
    for (const _ of ['the client', 'the broker that passes on']) {
      const failed = await cluster.runtime.runUntil(produce(client, 0))
      expect(failed.results[0]!.error?.code).toBe('DISCONNECTED')
    }
    cluster.move(0, 'c', 900)
    const second = watch(produce(client, 0))
    await cluster.runtime.advance(890)
    expect(second.settled).toBe(false)
    await cluster.runtime.advance(15)
    expect(second.value?.results[0]).toEqual({ runs: [1, 0, 0] })
  })

  it('asks for a doubted route once for all, and seldom while it stays what it was', async () => {
    const { cluster, client, passedOn } = await setup(['b'])
    cluster.leaders[0] = 'c'
    const asking = Array.from({ length: 30 }, async () => {
      for (let at = 0; at < 10; at++) await produce(client, 0)
    })
    await cluster.runtime.runUntil(Promise.all(asking), 600_000)
    const seconds = cluster.runtime.clock.monotonic() / 1_000
    const asked = passedOn.filter(({ name }) => name === 'findTopic').length
    expect(asked).toBeLessThan(5 + 2.5 * seconds)
  })

  it('learns within seconds that another broker leads something, too, although nobody says so', async () => {
    const { cluster, client } = await setup(['b', 'b'])
    const received = watch(client.calls.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(1_000)
    cluster.leaders[1] = 'c'
    cluster.tell()
    cluster.append(1, 5)
    await cluster.runtime.advance(16_000)
    expect(received.value?.deliveries[0]?.partition).toBe(1)
  })

  it.each([
    ['one leader', ['b', 'b']],
    ['several', ['b', 'b', 'c']],
  ])(
    'follows what has moved away from %s at once, though the broker that it asks hears of it later',
    async (_, leaders) => {
      const { cluster, client } = await setup(leaders)
      const received = watch(client.calls.receive({ ...RECEIVE, wait: 60_000 }))
      await cluster.runtime.advance(1_000)
      cluster.move(1, 'a', 300)
      cluster.append(1, 5)
      await cluster.runtime.advance(1_000)
      expect(received.value?.deliveries[0]?.partition).toBe(1)
    },
  )

  it('asks for a route that a wait which ended early has cast doubt on for two seconds, and no longer', async () => {
    const { cluster, client, passedOn } = await setup(['b', 'b'])
    watch(client.calls.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(1_000)
    cluster.broker('b').lost()
    await cluster.runtime.advance(4_000)
    const asked = passedOn.filter(({ name }) => name === 'findTopic').length
    expect(asked).toBeGreaterThan(2)
    expect(asked).toBeLessThan(10)
  })

  it('leaves a stream that says nothing sooner than it must: something has moved away', async () => {
    const { cluster } = await setup(['b', 'b'])
    const { runtime } = cluster
    const routes = new ClientRoutes(runtime, { findTopic: async () => cluster.route }, forever)
    routes.learn(cluster.route)
    let say = () => {}
    const connectTo = ({ id }: BrokerAddress): BrokerService => ({
      ...cluster.connectTo({ id, url: '' }),
      async *receiveStream(_: StreamRequest, call?: CallOptions) {
        for (; !call?.signal?.aborted; await new Promise<void>((resolve) => (say = resolve)))
          yield { deliveries: [] }
      },
    })
    const leaders = new Leaders({ runtime, routes, connectTo, closed: forever })
    const streams = new LeaderStreams(leaders, new ReceiveStreams(runtime), () => new Promise(() => {}))
    const request = { ...RECEIVE, stream: 's', credit: { messages: 1, bytes: 1_000 } }
    const listening = watch(
      (async () => {
        for await (const _ of streams.run(request, {}));
      })(),
    )
    await runtime.advance(2_000)
    say()
    await runtime.advance(300)
    cluster.leaders[1] = 'c'
    await runtime.advance(1_000)
    say()
    await runtime.settle()
    expect(listening.settled).toBe(true)
  })

  it('leaves a stream from the one leader once another broker leads something, too, although nobody says so', async () => {
    const { cluster } = await setup(['b', 'b'])
    const { runtime } = cluster
    const routes = new ClientRoutes(runtime, { findTopic: async () => cluster.route }, forever)
    routes.learn(cluster.route)
    const streamed: string[] = []
    const connectTo = ({ id }: BrokerAddress): BrokerService => ({
      ...cluster.connectTo({ id, url: '' }),
      async *receiveStream(_: StreamRequest, call?: CallOptions) {
        streamed.push(id)
        for (; !call?.signal?.aborted; await pause(runtime.timers, 15_000, call?.signal))
          yield { deliveries: [] }
      },
    })
    const leaders = new Leaders({ runtime, routes, connectTo, closed: forever })
    const never = () => new Promise<never>(() => {})
    const streams = new LeaderStreams(leaders, new ReceiveStreams(runtime), never)
    const request = { ...RECEIVE, stream: 's', credit: { messages: 1, bytes: 1_000 } }
    const listening = watch(
      (async () => {
        for await (const _ of streams.run(request, {}));
      })(),
    )
    await runtime.advance(60_000)
    expect(streamed).toEqual(['b'])
    expect(listening.settled).toBe(false)
    cluster.leaders[1] = 'c'
    await runtime.advance(35_000)
    expect(listening.settled).toBe(true)
  })
})
