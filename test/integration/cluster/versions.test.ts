import { expect, it, vi } from 'vitest'
import { Admin, Producer } from '../../../src/index.js'
import { InProcessCluster } from './in-process.js'

/** A build of tomorrow, which writes entries of another version; brokers of `OLD` say that they do not read it. */
vi.mock('../../../src/core/entry.js', async (original) => ({
  ...(await original<typeof import('../../../src/core/entry.js')>()),
  ENTRY_VERSION: 2,
}))

const OLD = { versions: { peer: 1, entry: 1 } }

async function open(old: readonly string[], young: readonly string[]): Promise<InProcessCluster> {
  const cluster = await InProcessCluster.open([])
  for (const name of old) await cluster.start(name, OLD)
  for (const name of young) await cluster.start(name)
  return cluster
}

/** The versions of all entries that the broker has, in their order, each once. */
async function versionsAt({ storages }: InProcessCluster, name: string): Promise<number[]> {
  const storage = storages.get(name)!
  const [log] = await storage.logs()
  const entries = log === undefined ? [] : await storage.read(log, { from: 0, maxBytes: 1 << 30 })
  return [...new Set(entries.map(({ version }) => version))]
}

async function stop({ brokers }: InProcessCluster, name: string): Promise<void> {
  await brokers.get(name)!.close()
  brokers.delete(name)
}

it('leaders write what the oldest broker reads until the last one is upgraded', async () => {
  const cluster = await open(['a'], ['b', 'c'])
  const producer = new Producer(cluster.brokers.get('b')!)
  await new Admin(cluster.brokers.get('b')!).createTopic('plain')
  await producer.send('plain', 'with an old broker')
  for (const name of ['a', 'b', 'c'])
    await cluster.until(async () => expect(await versionsAt(cluster, name)).toEqual([1]))
  // It may come back as what it was.
  await stop(cluster, 'a')
  await producer.send('plain', 'without it')
  expect(await versionsAt(cluster, 'b')).toEqual([1])
  await cluster.start('a')
  await cluster.until(async () => {
    await producer.send('plain', 'all are new')
    for (const name of ['a', 'b', 'c']) expect(await versionsAt(cluster, name)).toEqual([1, 2])
  })
  expect(cluster.errors).toEqual([])
})

it('a broker that reads less than the cluster writes does not join', async () => {
  const cluster = await open([], ['a', 'b'])
  await expect(cluster.start('c', OLD)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('Install the version that the other brokers run'),
  })
  await cluster.start('c')
})
