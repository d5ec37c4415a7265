import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.js'
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

test('a new leader to whom the coordination service answers what it had before a group was made does not end it', async () => {
  const { cluster, join } = await start(['a', 'b'])
  const [a, b] = ['a', 'b'].map((name) => cluster.brokers.get(name)!) as [Broker, Broker]
  await new Admin(a).createTopic('orders', { replicas: 2, minInSync: 1 })
  const [placed] = await new Admin(a).describePlacement()
  const [leader, next] = placed!.leader === 'a' ? [a, b] : [b, a]
  const nextName = leader === a ? 'b' : 'a'
  await join(placed!.leader!, 'g')
  const producer = new Producer(leader)
  for (const value of [1, 2, 3]) await producer.send('orders', value)
  const consumer = new Consumer<number>(leader, 'orders', { group: 'g' })
  const first = await consumer.receive()
  await first.ack()
  await consumer.close()

  const store = cluster.stores.get(nextName)!
  const { read, children, delete: remove } = store
  let lags = true
  const isOfGroups = (path: string) => lags && path.startsWith('/groups/')
  store.read = async (path) => (isOfGroups(path) ? undefined : read.call(store, path))
  store.children = async (path) => (isOfGroups(path) ? [] : children.call(store, path))
  store.delete = async (...args) => {
    lags = false
    return remove.apply(store, args)
  }
  await leader.close()
  await new Producer(next).send('orders', 4)
  lags = false
  const after = new Consumer<number>(next, 'orders', { group: 'g' })
  expect((await after.receive()).value).toBe(2)
  expect(await new Admin(next).describeGroup('orders', 'g')).toMatchObject({ generation: 1 })
})
