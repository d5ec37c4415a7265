import { afterEach, describe, expect, it } from 'vitest'
import { Admin, Producer } from '../../../src/index.js'
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

const LITTLE = 10 << 20

describe('a broker whose disk is nearly full', () => {
  it('has what it leads led by those in sync that have room, until it has room again', async () => {
    const { brokers, free, errors } = await open()
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 20_000 })
    free.set('a', LITTLE)
    await untilLeading(['b', 'c'])
    for (const partition of [0, 1, 2]) await producer.send('t', 'x', { partition })
    expect(errors).toMatchObject([{ code: 'STORAGE_FULL' }])
    const { brokers: described } = await new Admin(brokers.get('b')!).describeCluster()
    expect(described.map(({ id, full }) => [id, full])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
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
      const { brokers: described } = await new Admin(brokers.get('b')!).describeCluster()
      expect(described.map(({ full }) => full)).toEqual([true, true, true])
    })
    const producer = new Producer(brokers.get('b')!, { deliveryTimeout: 2_000 })
    const sends = [0, 1, 2].map((partition) => producer.send('t', 'x', { partition }))
    for (const send of await Promise.allSettled(sends))
      expect(send).toMatchObject({ reason: { code: 'STORAGE_FULL' } })
    await untilLeading(['c'])
  })
})
