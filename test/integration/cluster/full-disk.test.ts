import { afterEach, describe, expect, it } from 'vitest'
import { Admin, Producer, Reader } from '../../../src/index.js'
import { InProcessCluster } from './in-process.js'

let cluster: InProcessCluster | undefined

afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

/** Three brokers whose leaders go where they are preferred at once. */
async function open(): Promise<InProcessCluster> {
  cluster = await InProcessCluster.open(['a', 'b', 'c'], { controller: { stableFor: 100 } })
  await new Admin(cluster.brokers.get('a')!).createTopic('t', { partitions: 3, minInSync: 2 })
  await untilLeading(['a', 'b', 'c'])
  return cluster
}

/** These lead one partition or more, and no others. */
async function untilLeading(expected: readonly string[]): Promise<void> {
  const admin = new Admin(cluster!.brokers.get('a')!)
  await cluster!.until(async () => {
    const { partitions } = await admin.describeTopic('t')
    expect([...new Set(partitions.map(({ leader }) => leader?.id))].sort()).toEqual(expected)
    for (const { inSync } of partitions) expect(inSync).toHaveLength(3)
  })
}

async function disks(asked: string) {
  const { brokers } = await new Admin(cluster!.brokers.get(asked)!).describeCluster()
  return brokers.map(({ id, full, stalled }) => [id, full, stalled])
}

/** Not enough to take messages as a leader. */
const LITTLE = 40 << 20
/** Nor as a follower. */
const HARDLY = 10 << 20

describe('a broker whose disk is nearly full', () => {
  it('has what it leads led by those in sync that have room, until it has room again', async () => {
    const { brokers, free, errors } = await open()
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 20_000 })
    free.set('a', LITTLE)
    await untilLeading(['b', 'c'])
    for (const partition of [0, 1, 2]) await producer.send('t', 'x', { partition })
    expect(errors).toMatchObject([{ code: 'STORAGE_FULL' }])
    expect(await disks('b')).toEqual([
      ['a', true, false],
      ['b', false, false],
      ['c', false, false],
    ])
    free.delete('a')
    await untilLeading(['a', 'b', 'c'])
  })

  it('goes on leading where nobody who has room is in sync, and refuses messages', async () => {
    const { brokers, free, until } = await open()
    free.set('a', LITTLE).set('b', LITTLE)
    await untilLeading(['c'])
    free.set('c', LITTLE)
    await until(async () => {
      expect((await disks('b')).map(([, full]) => full)).toEqual([true, true, true])
    })
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 2_000 })
    const sends = [0, 1, 2].map((partition) => producer.send('t', 'x', { partition }))
    for (const send of await Promise.allSettled(sends))
      expect(send).toMatchObject({ reason: { code: 'STORAGE_FULL' } })
    await untilLeading(['c'])
  })
})

describe('a follower whose disk is full', () => {
  it('takes no messages, is not waited for, says so, and catches up once it has room again', async () => {
    const { brokers, free, errors, logs, until } = await open()
    free.set('a', HARDLY)
    await untilLeading(['b', 'c'])
    const before = await logs('a')
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 20_000 })
    const send = async () => {
      for (const partition of [0, 1, 2]) await producer.send('t', 'x', { partition })
    }
    await send()
    expect(await logs('a')).toEqual(before)
    expect(errors).toMatchObject([
      { code: 'STORAGE_FULL', message: expect.stringContaining('no new messages are taken') },
      { code: 'STORAGE_FULL', message: expect.stringContaining('These replicas fall behind') },
    ])
    const isStalled = async () => (await disks('c'))[0]
    await until(async () => expect(await isStalled()).toEqual(['a', true, true]))
    const { partitions } = await new Admin(brokers.get('c')!).describeTopic('t')
    for (const { inSync } of partitions) expect([...inSync].sort()).toEqual(['b', 'c'])
    free.set('a', LITTLE)
    await untilLeading(['b', 'c'])
    await until(async () => expect(await isStalled()).toEqual(['a', true, false]))
    await send()
    await until(async () => expect(await logs('a')).toEqual(await logs('b')))
    free.delete('a')
    await untilLeading(['a', 'b', 'c'])
  })

  it('that is needed in sync: nothing is acknowledged until it has room, and nothing is lost', async () => {
    cluster = await InProcessCluster.open(['a', 'b'])
    const { brokers, free, until } = cluster
    const admin = new Admin(brokers.get('b')!)
    await admin.createTopic('t', { replicas: 2, minInSync: 2 })
    const inSync = async () => (await admin.describeTopic('t')).partitions[0]!.inSync
    free.set('a', HARDLY)
    await until(async () => {
      expect((await disks('b'))[0]).toEqual(['a', true, false])
      expect((await admin.describeTopic('t')).partitions[0]!.leader?.id).toBe('b')
      expect(await inSync()).toHaveLength(2)
    })
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 30_000 })
    const acknowledged: number[] = []
    const sends = [0, 1, 2].map(async (n) => {
      await producer.send('t', n)
      acknowledged.push(n)
    })
    await until(async () => expect((await disks('b'))[0]).toEqual(['a', true, true]))
    await until(async () => {
      const one = new Producer(brokers.get('b')!, { deliveryTimeout: 500 })
      await expect(one.send('t', 'late')).rejects.toThrow('1 of the replicas of')
    })
    expect(acknowledged).toEqual([])
    expect(await inSync()).toHaveLength(2)
    free.delete('a')
    await Promise.all(sends)
    const read: number[] = []
    for await (const { value } of new Reader<number>(brokers.get('a')!, 't', {
      from: 'earliest',
      live: false,
    }))
      read.push(value)
    expect(read).toEqual([0, 1, 2])
  })
})
