import { describe, expect, it } from 'vitest'
import { PortalError } from '../../../src/core/errors.js'
import { Admin, Consumer, Lock, Producer, Reader } from '../../../src/index.js'
import { InProcessCluster, numbers } from './in-process.js'

describe('a broker that was alone and joins a cluster', () => {
  it('brings its topics and groups along, and they get replicas as others join', async () => {
    const cluster = await InProcessCluster.open([])
    const { brokers, logs, until } = cluster
    const alone = await cluster.startAlone('a')
    await new Admin(alone).createTopic('orders', { partitions: 2 })
    const producer = new Producer(alone)
    await Promise.all(numbers(100).map((n) => producer.send('orders', n, { partition: n % 2, id: `n${n}` })))
    const before = new Consumer<number>(alone, 'orders', { group: 'billing', maxDeliveries: 7 })
    const settled: number[] = []
    for (let count = 0; count < 40; count++) {
      const message = await before.receive()
      settled.push(message.value)
      await message.ack()
    }
    const held = await new Lock(alone, 'nightly').acquire()
    await held.release()
    await alone.close()

    await cluster.start('a')
    const admin = new Admin(brokers.get('a')!)
    expect(await admin.describeTopic('orders')).toMatchObject({ config: { replicas: 3, minInSync: 2 } })
    const again = await new Producer(brokers.get('a')!).send('orders', 0, { partition: 0, id: 'n0' })
    expect(again.duplicate).toBe(true)
    const next = await new Lock(brokers.get('a')!, 'nightly').acquire()
    expect(next.token).toBeGreaterThan(held.token)
    await next.release()

    await cluster.start('b')
    await cluster.start('c')
    await until(async () => {
      const { partitions } = await admin.describeTopic('orders')
      expect(partitions.map(({ inSync }) => inSync.length)).toEqual([3, 3])
    })
    await until(async () => {
      expect(await logs('b')).toEqual(await logs('a'))
      expect(await logs('c')).toEqual(await logs('a'))
    })
    // The first replica goes: the others have all of it, and what its groups have done.
    await brokers.get('a')!.close()
    brokers.delete('a')
    const { settings } = await new Admin(brokers.get('b')!).describeGroup('orders', 'billing')
    expect(settings).toMatchObject({ maxDeliveries: 7 })
    const after = new Consumer<number>(brokers.get('b')!, 'orders', { group: 'billing' })
    const rest: number[] = []
    while (rest.length < 60) {
      const message = await after.receive()
      rest.push(message.value)
      await message.ack()
    }
    expect(await after.receive({ timeout: 50 })).toBeNull()
    expect([...settled, ...rest].sort((x, y) => x - y)).toEqual(numbers(100))
    expect(cluster.errors).toEqual([])
  })

  it('is no broker of its own any more', async () => {
    const cluster = await InProcessCluster.open([])
    const alone = await cluster.startAlone('a')
    await new Producer(alone).send('orders', 1)
    await alone.close()
    await cluster.start('a')
    await cluster.close()
    cluster.brokers.clear()
    await expect(cluster.startAlone('a')).rejects.toThrowError(/cannot be opened alone/)
  })

  it('does not mix its topic with one of the cluster', async () => {
    const cluster = await InProcessCluster.open([])
    const { brokers } = cluster
    await cluster.start('b')
    await new Admin(brokers.get('b')!).createTopic('orders', { replicas: 1 })
    const alone = await cluster.startAlone('a')
    await new Producer(alone).send('orders', 'mine')
    await new Producer(alone).send('other', 'mine, too')
    await alone.close()
    await expect(cluster.start('a')).rejects.toThrowError(/that the cluster has, too: orders\./)
    // Nothing was written, and nothing was lost.
    expect((await new Admin(brokers.get('b')!).listTopics()).map(({ name }) => name)).toEqual(['orders'])
    const again = await cluster.startAlone('a')
    expect(await read(again, 'other')).toEqual(['mine, too'])
    await again.close()
  })

  it('is refused as an old copy if the directory is of before it joined', async () => {
    const cluster = await InProcessCluster.open([])
    const { brokers, storages } = cluster
    const alone = await cluster.startAlone('a')
    await new Producer(alone).send('orders', 1)
    await alone.close()
    const storage = storages.get('a')!
    const meta = await storage.readMeta('')
    await cluster.start('a')
    await new Admin(brokers.get('a')!).deleteTopic('orders')
    await cluster.close()
    brokers.clear()
    await storage.commit(
      [...meta].map(([key, value]) => ({ type: 'meta', key, value })),
      { durable: true },
    )
    await expect(cluster.start('a')).rejects.toThrowError(/is an old copy, of before it joined the cluster/)
  })

  it('ends at its next start what was cut short at any point', async () => {
    for (let at = 1; ; at++) {
      const cluster = await InProcessCluster.open([])
      const { brokers, tree } = cluster
      const alone = await cluster.startAlone('a')
      await new Admin(alone).createTopic('orders', { partitions: 2 })
      await new Producer(alone).send('orders', 'first', { partition: 1 })
      await new Admin(alone).createTopic('other')
      await new Consumer(alone, 'orders', { group: 'billing' }).receive({ timeout: 1 })
      await alone.close()
      let writes = 0
      const connect = tree.connect.bind(tree)
      tree.connect = () => {
        const store = connect()
        const create = store.create.bind(store)
        store.create = (...args) => {
          if (++writes === at) return Promise.reject(new PortalError('CLOSED', 'The power is gone.'))
          return create(...args)
        }
        return store
      }
      const cut = await cluster.start('a').then(
        () => false,
        () => true,
      )
      tree.connect = connect
      if (cut) await cluster.start('a')
      expect(await read(brokers.get('a')!, 'orders')).toEqual(['first'])
      const { partitions } = await new Admin(brokers.get('a')!).describeGroup('orders', 'billing')
      expect(partitions).toHaveLength(2)
      await new Producer(brokers.get('a')!).send('other', 'second')
      await cluster.close()
      if (!cut) return expect(at).toBeGreaterThan(8)
    }
  })
})

async function read(broker: ConstructorParameters<typeof Reader>[0], topic: string): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const { value } of new Reader(broker, topic, { from: 'earliest', live: false }))
    values.push(value)
  return values
}
