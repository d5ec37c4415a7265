import { expect, test, vi } from 'vitest'
import { Admin } from '../../../src/client/admin.js'
import { Consumer } from '../../../src/client/consumer/consumer.js'
import { Producer } from '../../../src/client/producer/producer.js'
import { SERVICE } from '../../../src/protocol/connection.js'
import { InProcessCluster } from './in-process.js'

async function start(names: readonly string[]) {
  const cluster = await InProcessCluster.open(names)
  const join = (broker: string, group: string, create = true) =>
    cluster.brokers.get(broker)![SERVICE].joinGroup({ topic: 'orders', group, settings: {}, create })
  return { cluster, join, admin: new Admin(cluster.brokers.get(names[0]!)!) }
}

test('whoever joins a group has its document read, and none of the others', async () => {
  const { cluster, join, admin } = await start(['a'])
  await admin.createTopic('orders', { replicas: 1 })
  for (let at = 0; at < 20; at++) await join('a', `g${at}`)
  const store = cluster.stores.get('a')!
  const reads = vi.spyOn(store, 'read')
  const lists = vi.spyOn(store, 'children')
  await join('a', 'g7')
  const ofGroups = [...reads.mock.calls, ...lists.mock.calls].map(([path]) => path)
  expect(ofGroups.filter((path) => path.startsWith('/groups/'))).toEqual([
    expect.stringMatching(/^\/groups\/[^/]+\/g7$/),
  ])
})

test('a group that was deleted at one broker is gone for who joins at another, and one that was made there is not', async () => {
  const { cluster, join } = await start(['a', 'b'])
  const [a, b] = ['a', 'b'].map((name) => new Admin(cluster.brokers.get(name)!)) as [Admin, Admin]
  await a.createTopic('orders', { partitions: 4, replicas: 2 })
  const made = await join('a', 'g')
  expect(await join('b', 'g', false)).toEqual(made)
  await b.deleteGroup('orders', 'g')
  await expect(join('a', 'g', false)).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
  const again = await join('b', 'g')
  expect(again.generation).toBeGreaterThan(made.generation)
  expect(await join('a', 'g', false)).toEqual(again)
})

/** A broker that leads a partition with two messages and a group; once `hold` is called it does not hear what it reads of that, until `release`. */
async function startHeld() {
  const started = await start(['a'])
  const { cluster, join, admin } = started
  const broker = cluster.brokers.get('a')!
  await admin.createTopic('orders', { replicas: 1 })
  await join('a', 'older')
  const producer = new Producer(broker)
  for (const value of ['one', 'two']) await producer.send('orders', value)
  const store = cluster.stores.get('a')!
  const read = store.read.bind(store)
  let release = () => {}
  const hold = () => {
    const isOver = new Promise<void>((resolve) => (release = resolve))
    return vi.spyOn(store, 'read').mockImplementation(async (path) => {
      if (path.endsWith('/older')) await isOver
      return read(path)
    })
  }
  return { ...started, broker, hold, release: () => release() }
}

test('a group that is made while the others are listed keeps what it has done [19]', async () => {
  const { broker, admin, hold, release } = await startHeld()
  const reads = hold()
  const listed = admin.listGroups('orders')
  await vi.waitFor(() => expect(reads).toHaveBeenCalled())
  const consumer = new Consumer<string>(broker, 'orders', { group: 'newer' })
  await (await consumer.receive())!.ack()
  release()
  expect((await listed).map(({ name }) => name)).toEqual(['newer', 'older'])
  expect(await admin.describeGroup('orders', 'newer')).toMatchObject({ partitions: [{ lag: 1, acked: 1 }] })
  await consumer.close()
})

test('a group that is deleted while the others are listed does not begin again', async () => {
  const { join, admin, hold, release } = await startHeld()
  await join('a', 'newer')
  const reads = hold()
  const listed = admin.listGroups('orders')
  await vi.waitFor(() => expect(reads).toHaveBeenCalled())
  await admin.deleteGroup('orders', 'newer')
  release()
  expect((await listed).map(({ name }) => name)).toEqual(['older'])
})

test('of a topic that is deleted nothing is watched any more', async () => {
  const { cluster, broker, admin } = await startHeld()
  const store = cluster.stores.get('a')!
  const watch = store.watch.bind(store)
  const watched: string[] = []
  store.watch = (path, listener) => {
    const stop = watch(path, listener)
    watched.push(path)
    return () => {
      watched.splice(watched.indexOf(path), 1)
      stop()
    }
  }
  await admin.createTopic('payments', { replicas: 1 })
  const producer = new Producer(broker)
  await producer.send('payments', 'one')
  const ofGroups = () => watched.filter((path) => path.startsWith('/groups/'))
  expect(ofGroups()).toHaveLength(1)
  await admin.deleteTopic('payments')
  expect(ofGroups()).toEqual([])
})

test('a broker without a session does not say of a group that it does not know that there is none', async () => {
  const { cluster, join, admin } = await start(['a', 'b'])
  await admin.createTopic('orders', { replicas: 1 })
  await join('a', 'g')
  await cluster.cutOff('b')
  await expect(join('b', 'g', false)).rejects.toMatchObject({ code: 'DISCONNECTED' })
})
