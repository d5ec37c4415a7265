import { describe, expect, it } from 'vitest'
import { isPortalError } from '../../../src/core/errors.js'
import { Admin, Consumer, Producer, Reader } from '../../../src/index.js'
import { InProcessCluster, numbers } from './in-process.js'

/** A KiB each: a thousand of them are not in the tail cache any more. */
function filler(number: number): { number: number; text: string } {
  return { number, text: 'portal-mq '.repeat(100) }
}

/** All replicas hold the same of what is not trimmed, and count. When the rows of what is go, each decides by itself. */
async function untilWhole({ brokers, storages, until }: InProcessCluster, through: string): Promise<void> {
  await until(async () => {
    const { id, partitions } = await new Admin(brokers.get(through)!).describeTopic('plain')
    for (const { inSync } of partitions) expect(inSync).toHaveLength(brokers.size)
    for (const { partition, firstOffset } of partitions) {
      const range = { from: 0, maxBytes: 1 << 30, kinds: 'messages' } as const
      const retained = async (name: string) =>
        (await storages.get(name)!.read(`${id}/${partition}`, range))
          .filter(({ baseOffset, count }) => baseOffset + count > firstOffset)
          .map(({ index, epoch, payload }) => `${index} ${epoch} ${Buffer.from(payload).toString('hex')}`)
      const [first, ...others] = await Promise.all([...brokers.keys()].map(retained))
      for (const other of others) expect(other).toEqual(first)
    }
  })
}

/** Flips a bit in the first batch of messages that `name` has on its disk. */
async function rot({ storages }: InProcessCluster, name: string): Promise<void> {
  const storage = storages.get(name)!
  const [log] = await storage.logs()
  const [entry] = await storage.read(log!, { from: 0, maxBytes: 1, kinds: 'messages' })
  entry!.payload[entry!.payload.length >> 1]! ^= 1
  await expect(storage.read(log!, { from: 0, maxBytes: 1 << 30 })).rejects.toMatchObject({ code: 'CORRUPT' })
}

/** Flips a bit in the snapshot that `name` has on its disk. */
async function rotSnapshot({ storages }: InProcessCluster, name: string): Promise<void> {
  const storage = storages.get(name)!
  const [log] = await storage.logs()
  const { header } = (await storage.readSnapshot(log!))!
  header.payload[header.payload.length >> 1]! ^= 1
  await expect(storage.readSnapshot(log!)).rejects.toMatchObject({ code: 'CORRUPT' })
}

async function leaderOf({ brokers }: InProcessCluster, through: string): Promise<string> {
  const { partitions } = await new Admin(brokers.get(through)!).describeTopic('plain')
  return partitions[0]!.leader!.id
}

describe('a replica', () => {
  it('that lags behind what is still there gets a snapshot, and leads with all that the groups have done', async () => {
    const lagging = await InProcessCluster.open(['a', 'b'])
    const { brokers, storages, until } = lagging
    const remote = brokers.get('a')!
    await new Admin(remote).createTopic('plain', {
      replicas: 2,
      minInSync: 1,
      retention: { after: 0, bytes: 200_000 },
    })
    const producer = new Producer(remote)
    await producer.send('plain', filler(0))
    await untilWhole(lagging, 'a')
    await brokers.get('b')!.close()
    brokers.delete('b')
    await Promise.all(numbers(1_000).map((n) => producer.send('plain', filler(n + 1))))
    const { partition, offset } = await producer.send('plain', filler(1_001))
    const [log] = await storages.get('a')!.logs()
    const first = async (name: string) =>
      (await storages.get(name)!.read(log!, { from: 0, maxBytes: 1 }))[0]!.index
    const end = (await storages.get('b')!.read(log!, { from: 0, maxBytes: 1 << 30 })).at(-1)!.index + 1
    await until(async () => {
      await producer.send('plain', filler(1_002))
      expect(await first('a')).toBeGreaterThan(end)
    })
    const consumer = new Consumer<{ number: number }>(remote, 'plain', { group: 'readers' })
    const handled = [await consumer.receive(), await consumer.receive()]
    await Promise.all(handled.map((message) => message.ack()))
    await consumer.close()

    await lagging.start('b')
    await untilWhole(lagging, 'b')
    expect(await first('b')).toBeGreaterThanOrEqual(end)
    await remote.close()
    brokers.delete('a')
    await until(async () => expect(await leaderOf(lagging, 'b')).toBe('b'))
    const next = new Consumer<{ number: number }>(brokers.get('b')!, 'plain', { group: 'readers' })
    expect((await next.receive()).offset).toBe(handled[1]!.offset + 1)
    for await (const { value } of new Reader<{ number: number }>(brokers.get('b')!, 'plain', {
      from: offset,
      partition,
    })) {
      expect(value.number).toBe(1_001)
      break
    }
  })

  it('whose bytes have rotted while it was away gets them from another', async () => {
    const rotten = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, errors } = rotten
    await new Admin(brokers.get('a')!).createTopic('plain', { replicas: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(100).map((n) => producer.send('plain', filler(n))))
    await untilWhole(rotten, 'a')
    await brokers.get('c')!.close()
    await rot(rotten, 'c')
    await rotten.start('c')
    await producer.send('plain', filler(100))
    await untilWhole(rotten, 'a')
    expect(errors).toContainEqual(expect.objectContaining({ code: 'CORRUPT' }))
  })

  it('that leads and finds that its bytes have rotted hands over and gets them from another; a reader misses nothing', async () => {
    const rotten = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, errors } = rotten
    await new Admin(brokers.get('a')!).createTopic('plain', { replicas: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(3_000).map((n) => producer.send('plain', filler(n))))
    await untilWhole(rotten, 'a')
    const leader = await leaderOf(rotten, 'a')
    await rot(rotten, leader)
    const reader = new Reader<{ number: number }>(brokers.get('b')!, 'plain', { from: 'earliest' })
    const read: number[] = []
    for await (const { value } of reader) {
      read.push(value.number)
      if (read.length === 3_000) break
    }
    expect(read).toEqual(numbers(3_000))
    await rotten.until(async () => expect(await leaderOf(rotten, 'a')).not.toBe(leader))
    await untilWhole(rotten, 'a')
    expect(errors).toContainEqual(expect.objectContaining({ code: 'CORRUPT' }))
  })

  it.each([
    ['a batch', rot],
    ['the snapshot', rotSnapshot],
  ])(
    'that leads and finds, when another installs its log, that %s has rotted hands over and gets it from another',
    async (_, rots) => {
      const rotten = await InProcessCluster.open(['a', 'b', 'c'])
      const { brokers, storages, errors, until } = rotten
      await new Admin(brokers.get('a')!).createTopic('plain', {
        replicas: 3,
        retention: { after: 0, bytes: 200_000 },
      })
      const producer = new Producer(brokers.get('a')!)
      await untilWhole(rotten, 'a')
      await brokers.get('c')!.close()
      brokers.delete('c')
      await Promise.all(numbers(1_000).map((n) => producer.send('plain', filler(n))))
      const leader = await leaderOf(rotten, 'a')
      const [log] = await storages.get(leader)!.logs()
      const entries = (name: string) => storages.get(name)!.read(log!, { from: 0, maxBytes: 1 << 30 })
      const missing = (await entries('c')).length
      await until(async () => {
        await producer.send('plain', filler(1_000))
        expect((await entries(leader))[0]!.index).toBeGreaterThan(missing)
      })
      // Once nothing is left to trim, the snapshot stays as it is.
      await until(async () => {
        const { partitions } = await new Admin(brokers.get('a')!).describeTopic('plain')
        expect(partitions[0]!.bytes).toBeLessThanOrEqual(200_000)
        const { header } = (await storages.get(leader)!.readSnapshot(log!))!
        const uncovered = (await entries(leader)).filter(({ index }) => index >= header.index)
        expect(uncovered.map(({ kind }) => kind)).not.toContain('trim')
      })
      await rots(rotten, leader)
      await rotten.start('c')
      await until(async () => expect(errors).toContainEqual(expect.objectContaining({ code: 'CORRUPT' })))
      await untilWhole(rotten, 'a')
    },
  )

  it('that alone is in sync and cannot read its log when it starts keeps what it has, however often it starts [11]', async () => {
    const cluster = await InProcessCluster.open(['a', 'b'])
    const { brokers, storages, errors, until } = cluster
    await new Admin(brokers.get('a')!).createTopic('plain', { replicas: 2, minInSync: 1 })
    await brokers.get('b')!.close()
    const producer = new Producer(brokers.get('a')!)
    for (const n of numbers(3)) await producer.send('plain', filler(n))
    const storage = storages.get('a')!
    const [log] = await storage.logs()
    await brokers.get('a')!.close()
    await rotSnapshot(cluster, 'a')
    await cluster.start('b')
    for (let start = 0; start < 3; start++) {
      errors.length = 0
      const a = await cluster.start('a')
      await until(async () =>
        expect(errors).toContainEqual(
          expect.objectContaining({
            code: 'CORRUPT',
            message: expect.stringContaining(`The only in-sync replica of ${log} is damaged`),
          }),
        ),
      )
      expect(await storage.read(log!, { from: 0, maxBytes: 1 << 30, kinds: 'messages' })).toHaveLength(3)
      await a.close()
    }
    brokers.delete('a')
  })

  it('that leads alone and finds that its bytes have rotted says so, once', async () => {
    const rotten = await InProcessCluster.open(['a', 'b'])
    const { brokers, errors, until } = rotten
    await new Admin(brokers.get('a')!).createTopic('plain', { replicas: 2, minInSync: 1 })
    await untilWhole(rotten, 'a')
    await brokers.get('b')!.close()
    brokers.delete('b')
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(6_000).map((n) => producer.send('plain', filler(n))))
    await rot(rotten, 'a')
    const corrupt = () => errors.filter((error) => isPortalError(error, 'CORRUPT'))
    await rotten.start('b')
    await until(async () => expect(corrupt()).toHaveLength(1))
    const reader = new Reader(brokers.get('a')!, 'plain', { from: 'earliest' })
    await expect(reader[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(corrupt()).toHaveLength(1)
  })
})
