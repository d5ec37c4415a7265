import { crc32 } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import type { Broker } from '../../../src/broker/broker.js'
import { Admin } from '../../../src/client/admin.js'
import { Producer } from '../../../src/client/producer/producer.js'
import { paths } from '../../../src/coordination/documents.js'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import { createBroker } from '../../../src/create-broker.js'
import { SERVICE } from '../../../src/protocol/connection.js'
import { InProcessCluster } from './in-process.js'

const FAST = { controller: { moveGrace: 500, stableFor: 200 } }

async function start(names: readonly string[]) {
  const cluster = await InProcessCluster.open(names, FAST)
  const broker = (name: string): Broker => cluster.brokers.get(name)!
  const admin = (name: string) => new Admin(broker(name))
  return { cluster, broker, admin }
}

test('every broker tells the same of brokers, controller, partitions and replicas', async () => {
  const { broker, admin } = await start(['a', 'b', 'c'])
  await admin('a').createTopic('orders', { partitions: 4 })
  const producer = new Producer(broker('b'))
  for (let at = 0; at < 20; at++) await producer.send('orders', { at }, { key: String(at) })
  const ids = ['a', 'b', 'c'].map((name) => broker(name).id).sort()
  for (const name of ['a', 'b', 'c']) {
    await expect
      .poll(async () => {
        const placement = await admin(name).describePlacement()
        return placement.every(({ log }) => log?.followers.every(({ lag }) => lag === 0))
      })
      .toBe(true)
    const described = await admin(name).describeCluster()
    expect(described.brokers.map(({ id }) => id)).toEqual(ids)
    expect(described.controller).toEqual({
      id: expect.stringMatching(ids.join('|')),
      term: expect.any(Number),
    })
    expect(described.coordination).toEqual({ reachable: true })
    for (const one of described.brokers)
      expect(one).toMatchObject({ alive: true, leaving: false, drained: false, replicas: 4 })
    expect(described.brokers.reduce((sum, { leaders = 0 }) => sum + leaders, 0)).toBe(4)
    const placement = await admin(name).describePlacement('orders')
    expect(placement.map(({ partition }) => partition)).toEqual([0, 1, 2, 3])
    for (const { leader, replicas, inSync, minInSync, log } of placement) {
      expect(ids).toContain(leader)
      expect([...replicas].sort()).toEqual(ids)
      expect([...inSync].sort()).toEqual(ids)
      expect(minInSync).toBe(2)
      expect(log!.highWatermark).toBe(log!.end)
      expect(log!.followers.map(({ id }) => id).sort()).toEqual(ids.filter((id) => id !== leader))
    }
    const { partitions } = await admin(name).describeTopic('orders')
    for (const { inSync } of partitions) expect([...inSync].sort()).toEqual(ids)
  }
})

test('changes of a topic by several brokers at once come into force, the one that another overtakes as well', async () => {
  const { admin } = await start(['a', 'b', 'c'])
  await admin('a').createTopic('orders')
  const changes = ['a', 'b', 'c'].flatMap((name, at) =>
    Array.from({ length: 10 }, (_, round) =>
      admin(name).updateTopic('orders', { dedupe: { ids: 100 * (at + 1) + round } }),
    ),
  )
  await Promise.all(changes)
  const [one, ...others] = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => (await admin(name).describeTopic('orders')).config.dedupe),
  )
  for (const other of others) expect(other).toEqual(one)
}, 20_000)

test('a broker that goes is away, and what it followed is under-replicated', async () => {
  const { broker, admin } = await start(['a', 'b', 'c'])
  await admin('a').createTopic('orders', { partitions: 3 })
  await new Producer(broker('a')).send('orders', 1)
  const gone = broker('c').id
  await broker('c').close()
  await expect
    .poll(async () => (await admin('a').describeCluster()).brokers.find(({ id }) => id === gone))
    .toMatchObject({ alive: false, url: undefined, leaders: 0, replicas: 3 })
  await new Producer(broker('a')).send('orders', 2)
  const value = async (name: string) => {
    const families = await Promise.all(['a', 'b'].map((at) => metricsOf(broker(at))))
    return families.reduce((sum, family) => sum + (family.get(name) ?? 0), 0)
  }
  await expect.poll(() => value('portal_mq_under_replicated_partitions')).toBe(3)
  expect(await value('portal_mq_leader_partitions')).toBe(3)
  expect(await value('portal_mq_replicas')).toBe(6)
  expect(await value('portal_mq_cluster_controller')).toBe(1)
  expect(await value('portal_mq_coordination_connected')).toBe(2)
  expect(await value('portal_mq_cluster_brokers{state=away}')).toBe(2)
  expect(await value('portal_mq_cluster_leaderless_partitions')).toBe(0)
})

test('a drained broker gives up all it has, by whichever broker is asked, and takes it again', async () => {
  const { cluster, broker, admin } = await start(['a', 'b', 'c'])
  await admin('a').createTopic('orders', { partitions: 3, replicas: 2 })
  await cluster.start('d', FAST)
  const of = async (name: string) =>
    (await admin('d').describeCluster()).brokers.find(({ id }) => id === broker(name).id)!
  for (const asked of ['a', 'b'])
    expect(await admin(asked).drainBroker(broker('c').id)).toHaveProperty('moves')
  await expect.poll(() => of('c')).toMatchObject({ drained: true, replicas: 0, leaders: 0 })
  await expect.poll(async () => (await admin('c').drainBroker(broker('c').id)).moves).toBe(0)
  await admin('d').undrainBroker(broker('c').id)
  await expect.poll(async () => (await admin('d').rebalanceCluster()).moves).toBe(0)
  await expect.poll(() => of('c')).toMatchObject({ drained: false })
  expect((await of('c')).replicas).toBeGreaterThan(0)
})

test('a broker that comes back removes what was moved elsewhere while it was away', async () => {
  const { cluster, broker, admin } = await start(['a', 'b', 'c', 'd'])
  await admin('a').createTopic('orders', { partitions: 4, replicas: 3 })
  const producer = new Producer(broker('a'))
  for (const partition of [0, 1, 2, 3]) await producer.send('orders', partition, { partition })
  const stored = async () => Object.keys(await cluster.logs('d')).length
  await expect.poll(stored).toBe(3)
  const { id } = broker('d')
  await broker('d').close()
  await admin('a').drainBroker(id)
  await expect.poll(async () => (await admin('a').drainBroker(id)).moves).toBe(0)
  expect(await stored()).toBe(3)
  await cluster.start('d', FAST)
  await expect.poll(stored).toBe(0)
  const { partitions } = await admin('d').describeTopic('orders')
  for (const { inSync } of partitions) expect([...inSync].sort()).toEqual(['a', 'b', 'c'])
})

test('a broker that is gone for good is forgotten, once nothing is on it', async () => {
  const { cluster, broker, admin } = await start(['a', 'b', 'c'])
  await admin('a').createTopic('orders', { partitions: 2, replicas: 2 })
  const gone = broker('c').id
  await expect(admin('a').forgetBroker(gone)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('lives'),
  })
  await expect(admin('a').forgetBroker('nobody')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await admin('b').drainBroker(gone)
  await expect
    .poll(async () => (await admin('a').describeCluster()).brokers.find(({ id }) => id === gone)?.replicas)
    .toBe(0)
  await broker('c').close()
  cluster.brokers.delete('c')
  await expect
    .poll(() =>
      admin('b')
        .forgetBroker(gone)
        .then(
          () => 'forgotten',
          ({ message }) => message,
        ),
    )
    .toBe('forgotten')
  await expect
    .poll(async () => (await admin('a').describeCluster()).brokers.map(({ id }) => id))
    .not.toContain(gone)
})

test('an election that may lose messages is made only while there is no leader', async () => {
  const { broker, admin } = await start(['a', 'b'])
  await admin('a').createTopic('orders', { replicas: 2, minInSync: 1 })
  await new Producer(broker('a')).send('orders', 1)
  await expect(admin('b').electUnclean('orders', 0)).rejects.toMatchObject({ code: 'NOT_ENOUGH_REPLICAS' })
  await expect(admin('b').electUnclean('missing', 0)).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
})

test('a leader that has not been told yet of a partition that was added sends callers away, and refuses nothing for good', async () => {
  const { cluster, broker, admin } = await start(['a'])
  await admin('a').createTopic('orders', { replicas: 1 })
  const service = broker('a')[SERVICE]
  const { topicId } = await service.findTopic({ name: 'orders' })
  const at = { topicId, partition: 1 }
  // As connections do that know of it.
  const direct = { direct: true }
  const builder = new RecordBatchBuilder(crc32)
  builder.tryAppend({ contentType: 'text', value: 'one', timestamp: 0 })
  const records = builder.seal('p', 0, 0)
  expect(await service.produce({ acks: 'all', batches: [{ ...at, records }] }, direct)).toMatchObject({
    results: [{ error: { code: 'NOT_LEADER' } }],
  })
  const read = { ...at, offset: 0, maxBytes: 1_000, wait: 0 }
  await expect(service.read(read, direct)).rejects.toMatchObject({ code: 'NOT_LEADER' })
  // Others have it looked for where it is written.
  const store = cluster.stores.get('a')!
  const { read: readNode, delete: remove } = store
  const before = await store.read(paths.topic('orders'))
  let isLooking = true
  let lags = true
  store.read = async (path) => {
    if (path !== paths.topic('orders') || !isLooking) return readNode.call(store, path)
    isLooking = false
    await admin('a').addPartitions('orders', 2)
    // A server that is behind, unless a write has come to it.
    return lags ? before : readNode.call(store, path)
  }
  store.delete = async (...args) => {
    lags = false
    return remove.apply(store, args)
  }
  expect(await service.read(read)).toMatchObject({ endOffset: 0 })
})

test('a partition that is not there is refused at once, as by a broker that is alone', async () => {
  const { cluster, broker, admin } = await start(['a', 'b'])
  const alone = await cluster.startAlone('alone')
  onTestFinished(() => alone.close())
  await new Admin(alone).createTopic('orders', { partitions: 3 })
  await admin('a').createTopic('orders', { partitions: 3, replicas: 2, minInSync: 1 })
  const answers = async (asked: Broker, partition: number) => {
    const service = asked[SERVICE]
    const { topicId } = await service.findTopic({ name: 'orders' })
    const at = { topicId, partition }
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend({ contentType: 'text', value: 'one', timestamp: 0 })
    const records = builder.seal('p', 0, 0)
    const there = { topicId, partition: 0 }
    const { generation } = await service.joinGroup({
      topic: 'orders',
      group: 'g',
      settings: {},
      create: true,
    })
    const token = { epoch: 0, index: 0, slot: 0 }
    const settlements = [{ partition, token, outcome: 'ack' as const, ranges: [0, 1] }]
    const failed = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        ({ code, message }) => ({ code, message }),
      )
    const { results } = await service.produce({
      acks: 'all',
      batches: [
        { ...at, records },
        { ...there, records },
      ],
    })
    return {
      produce: results.map(({ error }) => error && { code: error.code, message: error.message }),
      read: await failed(service.read({ ...at, offset: 0, maxBytes: 1_000 })),
      findOffset: await failed(service.findOffset({ ...at, at: 'earliest' })),
      explain: await failed(service.explain({ topic: 'orders', group: 'g', partition, offset: 0 })),
      settle: await failed(service.settle({ topicId, group: 'g', generation, consumer: 'c', settlements })),
    }
  }
  for (const partition of [3, 7, -1, 1.5]) {
    const expected = await answers(alone, partition)
    expect(expected.read).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const start = performance.now()
    for (const name of ['a', 'b']) expect(await answers(broker(name), partition)).toEqual(expected)
    // Ten calls, of which each would have waited for a leader for two seconds.
    expect(performance.now() - start).toBeLessThan(10_000)
  }
})

test('a thousand who ask at once for a topic that is not there cost two reads of the coordination service at most', async () => {
  const { cluster, broker } = await start(['a'])
  const store = cluster.stores.get('a')!
  const readNode = store.read.bind(store)
  let reads = 0
  store.read = (path) => {
    if (path === paths.topic('missing')) reads++
    return readNode(path)
  }
  const service = broker('a')[SERVICE]
  const asked = Array.from({ length: 1_000 }, (_, at) =>
    (at % 2 === 0
      ? service.describeTopic({ name: 'missing' })
      : service.joinGroup({ topic: 'missing', group: 'g', settings: {}, create: true })
    ).catch(({ code }) => code),
  )
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['TOPIC_NOT_FOUND']))
  expect(reads).toBeLessThanOrEqual(2)
  expect(reads).toBeGreaterThan(0)
})

test('a broker that is alone says so', async () => {
  const broker = await createBroker({ directory: ':memory:' })
  try {
    const admin = new Admin(broker)
    await admin.createTopic('orders', { partitions: 2 })
    expect(await admin.describeCluster()).not.toHaveProperty('controller')
    expect(await admin.describePlacement()).toMatchObject([
      { topic: 'orders', partition: 0, leader: broker.id, inSync: [broker.id], minInSync: 1 },
      { topic: 'orders', partition: 1 },
    ])
    for (const call of [
      () => admin.rebalanceCluster(),
      () => admin.drainBroker(broker.id),
      () => admin.undrainBroker(broker.id),
      () => admin.forgetBroker(broker.id),
      () => admin.electUnclean('orders', 0),
    ])
      await expect(call()).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('alone'),
      })
  } finally {
    await broker.close()
  }
})

async function metricsOf(broker: Broker): Promise<Map<string, number>> {
  const families = await broker[SERVICE].metrics()
  return new Map(
    families.flatMap(({ name, samples }) =>
      samples.map(({ labels, value }) => {
        const shown = Object.entries(labels).map(([key, text]) => `${key}=${text}`)
        return [shown.length === 0 ? name : `${name}{${shown}}`, value] as const
      }),
    ),
  )
}
