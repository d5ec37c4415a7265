import { describe, expect, it } from 'vitest'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerAddress, BrokerService, ReceiveRequest } from '../../src/protocol/service.js'
import { clusterService } from '../../src/routing/cluster-service.js'
import { watch } from './client-support/fake-connection.js'
import { FakeCluster, type FakeRoutes, TOPIC } from './routing-support/fake-cluster.js'

const forever = new AbortController().signal

interface Setup {
  readonly cluster: FakeCluster
  readonly routes: FakeRoutes
  /** What clients of broker a see. */
  readonly service: BrokerService
}

/** Three brokers, of which a is asked. */
function setup(leaders: readonly (string | null)[], seed = 1): Setup {
  const cluster = new FakeCluster(leaders, ['a', 'b', 'c'], seed)
  const routes = cluster.told()
  const { runtime, connectTo } = cluster
  const self = { id: 'a', service: cluster.broker('a').service }
  return {
    cluster,
    routes,
    service: clusterService({ runtime, routes, self, connectTo, closed: forever }),
  }
}

const produce = (service: BrokerService, partitions: readonly number[], from = 0) =>
  service.produce({
    acks: 'all',
    batches: partitions.map((partition, at) => ({
      topicId: TOPIC,
      partition,
      records: Uint8Array.of(from + at),
    })),
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

describe('sending', () => {
  it('splits by leader, in one request each, and puts the results together in order', async () => {
    const { cluster, service } = setup(['a', 'b', 'c', 'b'])
    const { results } = await cluster.runtime.runUntil(produce(service, [3, 0, 1, 2, 3, 0]))
    expect(results).toEqual([0, 0, 0, 0, 1, 1].map((offset) => ({ runs: [1, offset, 0] })))
    expect(cluster.partitions.map(({ log }) => log)).toEqual([[1, 5], [2], [3], [0, 4]])
    const asked = cluster.calls.filter(({ name }) => name === 'produce')
    expect(asked.map(({ broker }) => broker).sort()).toEqual(['a', 'b', 'c'])
    expect(asked.every(({ forwarded }) => forwarded)).toBe(true)
  })

  it('a leader that says no, or is away, has that as the result of its own batches alone, which are not sent on', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    cluster.leaders[1] = 'c'
    cluster.broker('c').die()
    const { results } = await cluster.runtime.runUntil(produce(service, [0, 1, 2]))
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, 'NOT_LEADER', 'DISCONNECTED'])
    expect(cluster.partitions[1]!.log).toEqual([])
  })

  it('a batch for whose leader there was no connection is not stored, and whoever sent it is told so', async () => {
    const { cluster, routes } = setup(['b', 'c'])
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const connectTo = (broker: BrokerAddress): BrokerService => ({
      ...cluster.connectTo(broker),
      describeCluster: () => new Promise(() => {}),
      produce: async () => {
        throw new PortalError('DISCONNECTED', 'It cannot be reached.', { cause: broker.id === 'b' && cause })
      },
    })
    const self = { id: 'a', service: cluster.broker('a').service }
    const { runtime } = cluster
    const service = clusterService({ runtime, routes, self, connectTo, closed: forever })
    const { results } = await runtime.runUntil(produce(service, [0, 1]))
    expect(results.map(({ error }) => error?.code)).toEqual(['NOT_LEADER', 'DISCONNECTED'])
  })

  it('a batch whose answer was lost is not sent a second time', async () => {
    const { cluster, service } = setup(['b'])
    cluster.broker('b').loses.add('produce')
    const { results } = await cluster.runtime.runUntil(produce(service, [0]))
    expect(results[0]!.error?.code).toBe('DISCONNECTED')
    await cluster.runtime.advance(10_000)
    expect(cluster.partitions[0]!.log).toEqual([0])
  })

  it('waits for a leader, and goes out milliseconds after there is one', async () => {
    const { cluster, service } = setup([null])
    const sent = watch(produce(service, [0]))
    await cluster.runtime.advance(700)
    expect(sent.settled).toBe(false)
    cluster.move(0, 'b')
    await cluster.runtime.advance(5)
    expect(sent.value?.results).toEqual([{ runs: [1, 0, 0] }])
  })

  it('is answered with NOT_LEADER when there is none in time: nothing hangs', async () => {
    const { cluster, service } = setup([null, 'b'])
    const { results } = await cluster.runtime.runUntil(produce(service, [0, 1]))
    expect(results.map(({ error }) => error?.code)).toEqual(['NOT_LEADER', undefined])
    expect(cluster.runtime.clock.monotonic()).toBeLessThan(2_100)
  })

  it('a batch for a partition that is known not to be there is told so, at once and alone', async () => {
    const { cluster, routes } = setup([null, 'b'])
    const { runtime, connectTo } = cluster
    const checkPartition = async (_: string, partition: number) => {
      if (partition > 1) throw new PortalError('INVALID_ARGUMENT', 'There is none.')
    }
    const self = { id: 'a', service: cluster.broker('a').service }
    const service = clusterService({ runtime, routes, self, connectTo, checkPartition, closed: forever })
    const sent = watch(produce(service, [1, 2, 0]))
    const settled = watch(
      service.settle({
        topicId: TOPIC,
        group: 'g',
        generation: 1,
        consumer: 'c',
        settlements: [
          { partition: 2, token: { epoch: 1, index: 0, slot: 0 }, outcome: 'ack', ranges: [0, 1] },
        ],
      }),
    )
    await runtime.advance(700)
    expect(settled.error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    cluster.move(0, 'b')
    await runtime.advance(5)
    expect(sent.value?.results.map(({ error }) => error?.code)).toEqual([
      undefined,
      'INVALID_ARGUMENT',
      undefined,
    ])
  })

  it('the try after a NOT_LEADER uses the new route at once', async () => {
    const { cluster, service } = setup(['b'])
    cluster.move(0, 'c', 40)
    const first = await cluster.runtime.runUntil(produce(service, [0]))
    expect(first.results[0]!.error?.code).toBe('NOT_LEADER')
    const second = watch(produce(service, [0]))
    await cluster.runtime.advance(30)
    expect(second.settled).toBe(false)
    await cluster.runtime.advance(15)
    expect(second.value?.results).toEqual([{ runs: [1, 0, 0] }])
    expect(cluster.calls.map(({ broker }) => broker)).toEqual(['b', 'c'])
  })

  it('a leader that goes on saying no is not asked by every call', async () => {
    const { cluster, service } = setup(['b'])
    cluster.leaders[0] = 'c'
    const all = Array.from({ length: 50 }, async () => {
      for (let tries = 0; tries < 5; tries++) await produce(service, [0])
    })
    await cluster.runtime.runUntil(Promise.all(all))
    await cluster.runtime.advance(60_000)
    // Each call asks at most once, and all of one time together.
    expect(cluster.calls.length).toBeLessThanOrEqual(250)
    expect(cluster.runtime.clock.monotonic()).toBeGreaterThan(60_500)
  })
})

describe('settling', () => {
  it('takes each part to its leader under the request’s number, and puts the answers together in order', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    for (const partition of [0, 1, 2]) cluster.append(partition, partition)
    const deliveries = [2, 0, 1].map((partition) => cluster.lease(partition, 'c'))
    const settlements = deliveries.map(({ partition, token }) => ({
      partition,
      token,
      outcome: 'ack' as const,
      ranges: [0, 1],
    }))
    const lostOne = { ...settlements[1]!, token: { epoch: 1, index: 99, slot: 0 }, ranges: [5, 6] }
    const request = { topicId: TOPIC, group: 'g', generation: 1, consumer: 'c', number: 7 }
    const answer = await cluster.runtime.runUntil(
      service.settle({
        ...request,
        settlements: [settlements[0]!, lostOne, settlements[1]!, settlements[2]!],
      }),
    )
    expect(answer.lost).toEqual([[], [5, 6], [], []])
    expect(cluster.calls.map(({ request }) => (request as { number: number }).number)).toEqual([7, 7, 7])
  })

  it('is refused as a whole when one leader does not answer; those that have are not asked again', async () => {
    const { cluster, service } = setup(['a', 'b'])
    for (const partition of [0, 1]) cluster.append(partition, partition)
    const settlements = [0, 1].map((partition) => ({
      partition,
      token: cluster.lease(partition, 'c').token,
      outcome: 'ack' as const,
      ranges: [0, 1],
    }))
    cluster.broker('b').die()
    const request = { topicId: TOPIC, group: 'g', generation: 1, consumer: 'c', number: 1, settlements }
    const settled = watch(service.settle(request))
    await cluster.runtime.advance(10)
    expect(settled.error?.code).toBe('DISCONNECTED')
    expect(cluster.partitions[0]!.settled.size).toBe(1)
    // By now a leader may have forgotten what it said; who repeats the request has not.
    cluster.partitions[0]!.settled.clear()
    cluster.move(1, 'c')
    const answer = await cluster.runtime.runUntil(service.settle(request))
    expect(answer.lost).toEqual([[], []])
    expect(cluster.partitions.map(({ settled }) => settled.size)).toEqual([0, 1])
  })
})

describe('receiving from several leaders', () => {
  it('leases from whichever has something, never more than was asked for, and from each in turn', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    for (let at = 0; at < 12; at++) cluster.append(at % 3, at)
    const from: number[] = []
    for (let at = 0; at < 12; at++) {
      const { deliveries } = await cluster.runtime.runUntil(service.receive({ ...RECEIVE, wait: 60_000 }))
      expect(deliveries).toHaveLength(1)
      from.push(deliveries[0]!.partition)
    }
    for (let round = 0; round < 4; round++)
      expect(from.slice(3 * round, 3 * round + 3).sort()).toEqual([0, 1, 2])
    expect(cluster.calls.every(({ request }) => !(request as ReceiveRequest).hint)).toBe(true)
  })

  it('sleeps with hints, which lease nothing, and wakes within milliseconds wherever something comes', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    const received = watch(service.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(5_000)
    const asked = cluster.calls.length
    expect(asked).toBe(6)
    cluster.append(2, 9)
    await cluster.runtime.advance(10)
    expect(received.value?.deliveries[0]?.partition).toBe(2)
    expect(cluster.partitions.map(({ leases }) => leases.size)).toEqual([0, 0, 1])
  })

  it('hints stay parked from one receive to the next: a busy consumer parks none anew', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    for (let at = 0; at < 20; at++) {
      const received = watch(service.receive({ ...RECEIVE, wait: 60_000 }))
      await cluster.runtime.advance(20)
      cluster.append(1, at)
      await cluster.runtime.runUntil(received.promise)
    }
    const hints = cluster.calls.filter(({ request }) => (request as ReceiveRequest).hint)
    expect(hints.filter(({ broker }) => broker !== 'b')).toHaveLength(2)
  })

  it('not waiting asks every leader, and each once', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    const none = await cluster.runtime.runUntil(service.receive({ ...RECEIVE, wait: 0 }))
    expect(none.deliveries).toEqual([])
    expect(cluster.calls.map(({ broker }) => broker).sort()).toEqual(['a', 'b', 'c'])
    cluster.append(1, 1)
    const one = await cluster.runtime.runUntil(service.receive({ ...RECEIVE, wait: 0 }))
    expect(one.deliveries).toHaveLength(1)
  })

  it('ends at the end of its wait, and when its signal aborts or its consumer ends it', async () => {
    const { cluster, service } = setup(['a', 'b', null])
    const late = watch(service.receive({ ...RECEIVE, wait: 500 }))
    const controller = new AbortController()
    const aborted = watch(service.receive({ ...RECEIVE, consumer: 'd' }, { signal: controller.signal }))
    const ended = watch(service.receive({ ...RECEIVE, consumer: 'e', id: 4 }))
    await cluster.runtime.advance(501)
    expect(late.value).toEqual({ deliveries: [] })
    controller.abort()
    await service.endReceive({ topicId: TOPIC, group: 'g', consumer: 'e', id: 4 })
    await cluster.runtime.settle()
    expect([aborted.error?.code, ended.error?.code]).toEqual(['ABORTED', 'ABORTED'])
  })

  it('a leader that is away does not keep the others’ messages back', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    const received = watch(service.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(100)
    cluster.broker('b').die()
    await cluster.runtime.advance(3_000)
    expect(received.settled).toBe(false)
    cluster.append(2, 1)
    await cluster.runtime.advance(10)
    expect(received.value?.deliveries[0]?.partition).toBe(2)
    const asked = cluster.calls.length
    cluster.move(1, 'a')
    cluster.append(1, 1)
    const next = await cluster.runtime.runUntil(service.receive({ ...RECEIVE, wait: 60_000 }))
    expect(next.deliveries[0]?.partition).toBe(1)
    expect(cluster.calls.length - asked).toBeLessThan(8)
  })

  it('one broker that leads all is asked alone, until others lead, too', async () => {
    const { cluster, service } = setup(['b', 'b'])
    const received = watch(service.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(1_000)
    expect(cluster.calls).toHaveLength(1)
    // b goes on leading 0, and says nothing.
    cluster.leaders[1] = 'c'
    cluster.move(1, 'c')
    cluster.append(1, 3)
    await cluster.runtime.advance(10)
    expect(received.value?.deliveries[0]?.partition).toBe(1)
  })

  it('after a lost answer every leader compares what is held, and what was never seen comes again', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    cluster.append(1, 1)
    cluster.broker('b').loses.add('receive')
    const failed = watch(service.receive({ ...RECEIVE, wait: 60_000 }))
    await cluster.runtime.advance(1_000)
    // A hint's answer may get lost: it has leased nothing.
    if (!failed.settled) await cluster.runtime.runUntil(failed.promise.catch(() => undefined))
    if (failed.error !== undefined) {
      const again = await cluster.runtime.runUntil(service.receive({ ...RECEIVE, wait: 60_000, held: [] }))
      expect(again.deliveries[0]?.partition).toBe(1)
      const told = cluster.calls.filter(({ request }) => (request as ReceiveRequest).held !== undefined)
      expect(new Set(told.map(({ broker }) => broker))).toEqual(new Set(['a', 'b', 'c']))
    }
    expect(cluster.partitions[1]!.leases.size).toBe(1)
  })

  it('a stream brings what every leader has, as far as its credit goes', async () => {
    const { cluster, service } = setup(['a', 'b', 'c'])
    for (let at = 0; at < 6; at++) cluster.append(at % 3, at)
    const { maxMessages: _, maxBytes: __, ...rest } = RECEIVE
    const controller = new AbortController()
    const got: number[] = []
    const reading = (async () => {
      const stream = { ...rest, stream: 's', credit: { messages: 4, bytes: 1_000 } }
      for await (const { deliveries } of service.receiveStream(stream, { signal: controller.signal }))
        got.push(...deliveries.map(({ partition }) => partition))
    })()
    await cluster.runtime.advance(100)
    expect(got).toHaveLength(4)
    await service.addCredit({ stream: 's', messages: 6, bytes: 1_000 })
    await cluster.runtime.advance(100)
    expect(got.sort()).toEqual([0, 0, 1, 1, 2, 2])
    controller.abort()
    await cluster.runtime.runUntil(reading)
  })
})

describe('a call that was passed on', () => {
  it('is answered by the broker itself, which passes it on to nobody', async () => {
    const { cluster, service } = setup(['b'])
    const { results } = await service.produce(
      { acks: 'all', batches: [{ topicId: TOPIC, partition: 0, records: Uint8Array.of(1) }] },
      { forwarded: true },
    )
    expect(results[0]!.error?.code).toBe('NOT_LEADER')
    await expect(
      service.findOffset({ topicId: TOPIC, partition: 0, at: 'latest' }, { forwarded: true }),
    ).rejects.toMatchObject({ code: 'NOT_LEADER' })
    expect(cluster.calls.every(({ broker }) => broker === 'a')).toBe(true)
  })
})

describe('reading and describing', () => {
  it('reads at the leader, and at the next one when leadership moves meanwhile', async () => {
    const { cluster, service } = setup(['b', 'c'])
    cluster.append(1, 1)
    const found = service.findOffset({ topicId: TOPIC, partition: 1, at: 'latest' })
    expect(await cluster.runtime.runUntil(found)).toEqual({ offset: 1 })
    cluster.move(1, 'b', 100)
    const read = service.read({ topicId: TOPIC, partition: 1, offset: 0, maxBytes: 1 })
    expect((await cluster.runtime.runUntil(read)).endOffset).toBe(1)
    const explained = service.explain({ topic: 't', group: 'g', partition: 0, offset: 0 })
    expect((await cluster.runtime.runUntil(explained)).reason).toBe('Says b.')
  })

  it('describes every partition by its leader, and by the documents those whose leader does not answer', async () => {
    const { cluster, service } = setup(['a', 'b', 'c', 'b'])
    for (const partition of [0, 1, 2, 3]) cluster.append(partition, 1)
    cluster.broker('c').die()
    const { partitions } = await cluster.runtime.runUntil(service.describeTopic({ name: 't' }))
    expect(partitions.map(({ leader, epoch }) => [leader?.id, epoch])).toEqual([
      ['a', 1],
      ['b', 1],
      [undefined, 7],
      ['b', 1],
    ])
    const [group] = await cluster.runtime.runUntil(service.listGroups({ topic: 't' }))
    expect(group!.lag).toBe(3)
    const route = await service.findTopic({ name: 't' })
    expect(route.leaders).toEqual(['a', 'b', 'c', 'b'])
  })
})

describe('locks', () => {
  it('are asked for at one broker whoever is asked, and renewed and released there', async () => {
    const { cluster, service } = setup(['a'])
    const { runtime, connectTo } = cluster
    const other = clusterService({
      runtime,
      routes: cluster.told(),
      self: { id: 'b', service: cluster.broker('b').service },
      connectTo,
      closed: forever,
    })
    const places = new Set<string>()
    for (let at = 0; at < 20; at++) {
      const name = `lock-${at}`
      const before = cluster.calls.length
      const grant = await runtime.runUntil(service.acquireLock({ name, ttl: 1_000 }))
      await runtime.runUntil(other.acquireLock({ name, ttl: 1_000 }))
      const [one, two] = cluster.calls.slice(before).map(({ broker }) => broker)
      expect(one).toBe(two)
      places.add(one!)
      cluster.broker(one!).locks.set(name, grant!.token)
      await runtime.runUntil(other.renewLock({ name, token: grant!.token }))
      await runtime.runUntil(other.releaseLock({ name, token: grant!.token }))
      expect(cluster.broker(one!).locks.has(name)).toBe(false)
    }
    expect(places).toEqual(new Set(['a', 'b', 'c']))
  })

  it('are lost when all brokers say so, and unknown while one of them does not answer', async () => {
    const { cluster, service } = setup(['a'])
    const renewed = service.renewLock({ name: 'x', token: 1 })
    await expect(cluster.runtime.runUntil(renewed)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    cluster.broker('b').die()
    const unknown = service.renewLock({ name: 'x', token: 1 })
    await expect(cluster.runtime.runUntil(unknown)).rejects.toMatchObject({ code: 'DISCONNECTED' })
  })
})
