import { describe, expect, it } from 'vitest'
import { Admin, Consumer, Producer, Reader } from '../../../src/index.js'
import { InProcessCluster, numbers } from './in-process.js'

describe('a topic of three replicas', () => {
  it('is made while one of three brokers is away, and completed when that one is back', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, until } = cluster
    await brokers.get('c')!.close()
    brokers.delete('c')
    // By the first send, too.
    await new Producer(brokers.get('a')!).send('plain', 1)
    const admin = new Admin(brokers.get('b')!)
    await admin.createTopic('other', { partitions: 2 })
    for (const name of ['plain', 'other']) {
      const { config, partitions } = await admin.describeTopic(name)
      expect(config).toMatchObject({ replicas: 3, minInSync: 2 })
      for (const { replicas } of partitions) expect([...replicas].sort()).toEqual(['a', 'b'])
    }
    await cluster.start('c')
    await until(async () => {
      for (const name of ['plain', 'other'])
        for (const { inSync } of (await admin.describeTopic(name)).partitions) expect(inSync).toHaveLength(3)
    })
  })

  it('is not made by one broker alone, and a send waits for a second', async () => {
    const cluster = await InProcessCluster.open(['a'])
    const { brokers } = cluster
    await expect(new Admin(brokers.get('a')!).createTopic('plain')).rejects.toThrowError(
      expect.objectContaining({
        code: 'NOT_ENOUGH_REPLICAS',
        message: expect.stringContaining('on 2 brokers before it is acknowledged, but 1 live'),
      }),
    )
    const sending = new Producer(brokers.get('a')!).send('plain', 1)
    await cluster.start('b')
    await sending
  })
})

describe('three brokers', () => {
  it('hold every message three times', async () => {
    const { brokers, logs, until } = await InProcessCluster.open(['a', 'b', 'c'])
    const producer = new Producer(brokers.get('a')!)
    await new Admin(brokers.get('b')!).createTopic('plain', { partitions: 3 })
    await Promise.all(numbers(300).map((n) => producer.send('plain', n, { partition: n % 3 })))
    await until(async () => {
      const [a, b, c] = [await logs('a'), await logs('b'), await logs('c')]
      expect(a).toEqual(b)
      expect(b).toEqual(c)
      expect(Object.keys(a)).toHaveLength(3)
    })
  })

  it('serve every topic, wherever it is led', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 6 })
    const got: number[] = []
    const consumers = [...brokers.values()].map(
      (broker) => new Consumer<number>(broker, 'plain', { group: 'g' }),
    )
    const running = consumers.map((consumer) => consumer.run(async ({ value }) => void got.push(value)))
    const producers = [...brokers.values()].map((broker) => new Producer(broker))
    await Promise.all(numbers(600).map((n) => producers[n % 3]!.send('plain', n, { key: String(n) })))
    await cluster.until(async () => expect(got.length).toBe(600))
    expect(new Set(got).size).toBe(600)
    await Promise.all(consumers.map((consumer) => consumer.close()))
    await Promise.all(running)
    const description = await new Admin(brokers.get('c')!).describeGroup('plain', 'g')
    expect(description.partitions).toHaveLength(6)
    expect(description.partitions.reduce((sum, { acked }) => sum + acked, 0)).toBe(600)
  })

  it('go on without one that stops, and no send fails', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    await producer.send('plain', -1)
    const sends: Promise<unknown>[] = []
    for (const name of ['b', 'c']) {
      const closing = brokers.get(name)!.close()
      for (const n of numbers(100)) sends.push(producer.send('plain', n, { partition: n % 3 }))
      await closing
      brokers.delete(name)
      await cluster.start(name)
    }
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([])
  })

  it('go on when a session is lost: another may lead, nothing is lost', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, tree, stores } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    const sends = numbers(200).map((n) => producer.send('plain', n, { partition: n % 3 }))
    await sends[0]
    const told: boolean[] = []
    for (const broker of brokers.values()) broker.on('coordination', ({ reachable }) => told.push(reachable))
    for (const name of ['a', 'b', 'c']) {
      await tree.expire(stores.get(name)!)
      sends.push(...numbers(50).map((n) => producer.send('plain', 1_000 + n, { partition: n % 3 })))
      await sends.at(-1)
    }
    await Promise.all(sends)
    const read = new Set<string>()
    for (const partition of [0, 1, 2]) {
      const reader = new Reader(brokers.get('b')!, 'plain', { partition, from: 'earliest' })
      for await (const { offset } of reader) {
        read.add(`${partition}/${offset}`)
        if (read.size === 350 || offset + 1 >= (await endOf(brokers.get('b')!, partition))) break
      }
    }
    expect(read.size).toBe(350)
    await cluster.until(async () => expect(told).toHaveLength(6))
    expect(told.filter((reachable) => reachable)).toHaveLength(3)
  })

  it('take in one that loses its first session before it has joined: a process that begins on a busy machine', async () => {
    const cluster = await InProcessCluster.open(['a', 'b'])
    const { brokers, tooBusy, errors, until } = cluster
    tooBusy.add('c')
    await cluster.start('c')
    const admin = new Admin(brokers.get('c')!)
    await admin.createTopic('t', { replicas: 3 })
    await until(async () => {
      const [partition] = (await admin.describeTopic('t')).partitions
      expect(partition!.inSync).toHaveLength(3)
    })
    await brokers.get('c')!.close()
    tooBusy.add('c')
    await cluster.start('c')
    expect(errors).toEqual([])
  })

  it('bring a broker back whose disk was lost', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, storages, logs } = cluster
    const producer = new Producer(brokers.get('a')!)
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 2 })
    await Promise.all(numbers(100).map((n) => producer.send('plain', n, { partition: n % 2 })))
    await brokers.get('c')!.close()
    storages.delete('c')
    await cluster.start('c')
    await Promise.all(numbers(100).map((n) => producer.send('plain', n, { partition: n % 2 })))
    await cluster.until(async () => {
      expect(await logs('c')).toEqual(await logs('a'))
      const { partitions } = await new Admin(brokers.get('a')!).describeTopic('plain')
      for (const { inSync } of partitions) expect(inSync).toHaveLength(3)
    })
  })

  it('delete a topic everywhere, and one made again under its name shares nothing with it', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, logs } = cluster
    const admin = new Admin(brokers.get('a')!)
    const producer = new Producer(brokers.get('b')!)
    await producer.send('plain', 'old')
    await admin.deleteTopic('plain')
    await admin.createTopic('plain', {})
    const sent = await producer.send('plain', 'new')
    expect(sent.offset).toBe(0)
    await cluster.until(async () => {
      for (const name of ['a', 'b', 'c']) expect(Object.keys(await logs(name))).toHaveLength(1)
    })
  })

  it('take nothing while too few are in sync, and say so', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { replicas: 3, minInSync: 3 })
    const producer = new Producer(brokers.get('a')!, { deliveryTimeout: 8_000 })
    await producer.send('plain', 1)
    await brokers.get('c')!.close()
    await expect(producer.send('plain', 2)).rejects.toMatchObject({ code: 'TIMEOUT' })
    await cluster.start('c')
    await producer.send('plain', 3)
  })

  it('carry dead letters to wherever their topic is led', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(9).map((n) => producer.send('plain', n, { partition: n % 3 })))
    const consumer = new Consumer(brokers.get('b')!, 'plain', { group: 'g', maxDeliveries: 1 })
    const running = consumer.run(async () => {
      throw new Error('No.')
    })
    const dead = new Consumer(brokers.get('c')!, 'plain.dead', { group: 'watch' })
    const got = new Set<unknown>()
    const watching = dead.run(async ({ value }) => void got.add(value))
    await cluster.until(async () => expect(got.size).toBe(9))
    await Promise.all([consumer.close(), dead.close()])
    await Promise.all([running, watching])
  })

  it('keep the dead letters of a topic as they keep the topic', async () => {
    const { brokers } = await InProcessCluster.open(['a', 'b'])
    const admin = new Admin(brokers.get('a')!)
    await admin.createTopic('plain', { replicas: 2, minInSync: 1 })
    await new Consumer(brokers.get('a')!, 'plain', { group: 'workers' }).receive({ timeout: 0 })
    expect((await admin.describeTopic('plain.dead')).config).toMatchObject({ replicas: 2, minInSync: 1 })
  })

  it('move a group, wherever its partitions are led', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    const admin = new Admin(brokers.get('a')!)
    await admin.createTopic('plain', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(30).map((n) => producer.send('plain', n, { partition: n % 3 })))
    let count = 0
    const consumer = new Consumer(brokers.get('b')!, 'plain', { group: 'g' })
    const running = consumer.run(async () => void count++)
    await cluster.until(async () => expect(count).toBe(30))
    await admin.seekGroup('plain', 'g', { to: 'earliest' })
    await cluster.until(async () => expect(count).toBe(60))
    await consumer.close()
    await running
  })

  it('elect another leader when the leader is gone without a word, with all that was acknowledged', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(90).map((n) => producer.send('plain', n, { partition: n % 3 })))
    await cluster.cutOff('b')
    const sent = await Promise.all(
      numbers(90).map((n) => producer.send('plain', 90 + n, { partition: n % 3 })),
    )
    expect(sent.every(({ duplicate }) => !duplicate)).toBe(true)
    expect(Math.max(...sent.map(({ offset }) => offset))).toBe(59)
  })
})

async function endOf(broker: Parameters<typeof adminOf>[0], partition: number): Promise<number> {
  const { partitions } = await adminOf(broker).describeTopic('plain')
  return partitions[partition]!.nextOffset
}

function adminOf(broker: ConstructorParameters<typeof Admin>[0]): Admin {
  return new Admin(broker)
}
