import { describe, expect, it } from 'vitest'
import { paths } from '../../../src/coordination/documents.js'
import { Admin, Producer } from '../../../src/index.js'
import { InProcessCluster, numbers } from './in-process.js'

describe('a coordination service that has lost all it had', () => {
  it('is no new cluster to those that run: data flows on, they say so, and are whole once the data is back', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, errors, until, tree } = cluster
    const admin = new Admin(brokers.get('a')!)
    await admin.createTopic('orders', { partitions: 3 })
    const producer = new Producer(brokers.get('a')!)
    await Promise.all(numbers(30).map((n) => producer.send('orders', n, { partition: n % 3 })))
    await cluster.replaceCoordination()
    await until(async () => expect(errors).toHaveLength(3))
    for (const error of errors)
      expect(error).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('knows nothing'),
      })
    expect(await cluster.tree.connect().children('/')).toEqual([])
    await Promise.all(numbers(30).map((n) => producer.send('orders', n, { partition: n % 3 })))
    await expect(admin.createTopic('other')).rejects.toMatchObject({ code: 'DISCONNECTED' })

    await cluster.replaceCoordination(tree)
    await until(async () => {
      await admin.createTopic('other')
    })
    // Led again, in the new sessions.
    await until(async () => {
      const { partitions } = await admin.describeTopic('orders')
      expect(partitions.map(({ nextOffset }) => nextOffset)).toEqual([20, 20, 20])
    })
    expect(errors).toHaveLength(3)
  })

  it('is refused by those that start, who touch nothing of what they have', async () => {
    const cluster = await InProcessCluster.open(['a', 'b', 'c'])
    const { brokers, logs, tree, until } = cluster
    await new Admin(brokers.get('a')!).createTopic('orders')
    await new Producer(brokers.get('a')!).send('orders', 1)
    await until(async () => expect(await logs('b')).toEqual(await logs('a')))
    const before = await logs('a')
    await Promise.all([...brokers.values()].map((broker) => broker.close()))
    await cluster.replaceCoordination()
    await expect(cluster.start('a')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await cluster.tree.connect().read(paths.cluster)).toBeUndefined()
    expect(await logs('a')).toEqual(before)
    await cluster.replaceCoordination(tree)
    await Promise.all(['a', 'b', 'c'].map((name) => cluster.start(name)))
    await until(async () => {
      const { partitions } = await new Admin(brokers.get('a')!).describeTopic('orders')
      expect(partitions).toMatchObject([{ nextOffset: 1 }])
    })
  })
})
