import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { exportBroker } from '../../../src/broker/cluster/rebuild/export-broker.js'
import type { BrokerExport } from '../../../src/broker/cluster/rebuild/exported.js'
import { Admin, Consumer, Lock, Producer } from '../../../src/index.js'
import { rebuildCluster } from '../../../src/rebuild-cluster.js'
import { InProcessCluster, numbers } from './in-process.js'

async function take(consumer: Consumer<number>, count: number): Promise<number[]> {
  const values: number[] = []
  while (values.length < count) {
    const message = await consumer.receive({ timeout: 20_000 })
    values.push(message!.value)
    await message!.ack()
  }
  return values
}

/** Stops all brokers, and loses all that the coordination service had. */
async function lose(cluster: InProcessCluster, names: readonly string[]): Promise<BrokerExport[]> {
  await Promise.all([...cluster.brokers.values()].map((broker) => broker.close()))
  cluster.brokers.clear()
  await cluster.replaceCoordination()
  // As JSON, as it comes from other machines.
  const exports = await Promise.all(names.map((name) => exportBroker(cluster.storages.get(name)!, crc32)))
  return JSON.parse(JSON.stringify(exports)) as BrokerExport[]
}

function rebuild(cluster: InProcessCluster, exports: readonly BrokerExport[], allowLoss = false) {
  return rebuildCluster(exports, { coordination: async () => cluster.tree.connect(), allowLoss })
}

describe('a cluster whose coordination service has lost all it had', () => {
  it('is rebuilt from what its brokers hold: messages, groups and how far they are, ids, tokens', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, errors } = cluster
    const admin = new Admin(brokers.get('a')!)
    await admin.createTopic('orders', { partitions: 3, maxMessageBytes: 5_000 })
    const producer = new Producer(brokers.get('a')!)
    const sendAll = (values: readonly number[]) =>
      Promise.all(values.map((n) => producer.send('orders', n, { partition: n % 3, id: `n${n}` })))
    await sendAll(numbers(60))
    const before = new Consumer<number>(brokers.get('a')!, 'orders', { group: 'billing', maxDeliveries: 7 })
    const taken = await take(before, 25)
    await before.close()
    // What is told after another leads is noted there, too.
    await brokers.get('c')!.close()
    await admin.updateTopic('orders', { retention: { after: 7_200_000 } })
    await admin.updateGroup('orders', 'billing', { maxDeliveries: 9 })
    await admin.createTopic('gone')
    await admin.deleteTopic('gone')
    await sendAll(numbers(30).map((n) => n + 60))
    const held = await new Lock(brokers.get('a')!, 'nightly').acquire()
    await held.release()
    const { clusterId } = await admin.describeCluster()

    const exports = await lose(cluster, ['a', 'b', 'c'])
    const rebuilt = await rebuild(cluster, exports)
    expect(rebuilt).toMatchObject({ clusterId, brokers: 3, topics: 2, partitions: 4, warnings: [] })
    for (const name of ['c', 'a', 'b']) await cluster.start(name)
    const after = new Admin(brokers.get('c')!)
    expect((await after.listTopics()).map(({ name }) => name).sort()).toEqual(['orders', 'orders.dead'])
    expect(await after.describeTopic('orders')).toMatchObject({
      config: { maxMessageBytes: 5_000, retention: { after: 7_200_000 } },
    })
    expect((await after.describeGroup('orders', 'billing')).settings.maxDeliveries).toBe(9)
    const rest = await take(new Consumer<number>(brokers.get('c')!, 'orders', { group: 'billing' }), 65)
    expect([...taken, ...rest].sort((x, y) => x - y)).toEqual(numbers(90))
    const again = await new Producer(brokers.get('b')!).send('orders', 0, { partition: 0, id: 'n0' })
    expect(again.duplicate).toBe(true)
    const next = await new Lock(brokers.get('b')!, 'nightly').acquire()
    expect(next.token).toBeGreaterThan(held.token)
    await cluster.until(async () => {
      const { partitions } = await after.describeTopic('orders')
      expect(partitions.map(({ inSync }) => inSync.length)).toEqual([3, 3, 3])
    })
    expect(errors).toEqual([])
  })

  it('does not bring back a topic that was deleted while one of them was away', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    const admin = new Admin(brokers.get('a')!)
    await admin.createTopic('fleeting')
    await new Producer(brokers.get('a')!).send('fleeting', 1)
    await brokers.get('c')!.close()
    await admin.deleteTopic('fleeting')
    await admin.createTopic('fleeting')
    await Promise.all(numbers(2).map((n) => new Producer(brokers.get('a')!).send('fleeting', n)))
    const exports = await lose(cluster, ['c', 'b', 'a'])
    expect(await rebuild(cluster, exports)).toMatchObject({ topics: 1, warnings: [] })
    for (const name of ['a', 'b', 'c']) await cluster.start(name)
    await cluster.until(async () => {
      const { partitions } = await new Admin(brokers.get('c')!).describeTopic('fleeting')
      expect(partitions).toMatchObject([{ nextOffset: 2, inSync: { length: 3 } }])
    })
  })

  it('is not rebuilt from too few, unless the loss is allowed; from what does not belong together; or over another', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('orders')
    await new Producer(brokers.get('a')!).send('orders', 1)
    const exports = await lose(cluster, ['a', 'b', 'c'])
    const [a, b] = exports
    await expect(rebuild(cluster, [])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(rebuild(cluster, [a!, a!])).rejects.toMatchObject({ message: /two exports of the broker/ })
    await expect(rebuild(cluster, [a!, { ...b!, clusterId: 'other' }])).rejects.toMatchObject({
      message: /two clusters/,
    })
    await expect(rebuild(cluster, [{} as BrokerExport])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(rebuild(cluster, [a!])).rejects.toMatchObject({
      code: 'NOT_ENOUGH_REPLICAS',
      message: /orders/,
    })
    expect(await cluster.tree.connect().children('/')).toEqual([])
    const { warnings } = await rebuild(cluster, [a!], true)
    expect(warnings).toHaveLength(1)
    await expect(rebuild(cluster, [a!, b!])).rejects.toMatchObject({ message: /holds a cluster/ })
  })
})
