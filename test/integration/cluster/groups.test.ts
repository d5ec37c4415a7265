import { expect, test, vi } from 'vitest'
import { Admin } from '../../../src/client/admin.js'
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
