import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { paths } from '../../../src/coordination/documents.js'
import { PortalError } from '../../../src/core/errors.js'
import { memoryStorage } from '../../../src/storage/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { InProcessCluster } from './in-process.js'

/** What a process does before it is gone. */
class Process {
  readonly #steps: number
  readonly #isLastDone: boolean
  taken = 0

  /** `isLastDone`: the last step takes effect, and only its answer is lost. */
  constructor(steps: number, isLastDone: boolean) {
    this.#steps = steps
    this.#isLastDone = isLastDone
  }

  async step<T>(work: () => Promise<T>): Promise<T> {
    this.taken++
    if (this.taken < this.#steps) return work()
    if (this.taken === this.#steps && this.#isLastDone) await work()
    throw new PortalError('INVALID_ARGUMENT', 'The process is gone.')
  }
}

function writtenBy(process: Process, storage: Storage): Storage {
  return { ...storage, commit: (...args) => process.step(() => storage.commit(...args)) }
}

/** Every session that begins from now on is that of the process. Returns what ends this. */
function connectedBy(process: Process, { tree }: InProcessCluster): () => void {
  const connect = tree.connect.bind(tree)
  tree.connect = () => {
    const store = connect()
    const create = store.create.bind(store)
    const compareAndSet = store.compareAndSet.bind(store)
    store.create = (...args) => process.step(() => create(...args))
    store.compareAndSet = (...args) => process.step(() => compareAndSet(...args))
    return store
  }
  return () => {
    tree.connect = connect
  }
}

describe.each([
  { life: 'the first life', isKnown: false },
  { life: 'a later life', isKnown: true },
])('a broker in $life', ({ isKnown }) => {
  it.each([
    { session: 'its first session', isFirstLost: false, isLastDone: false, what: 'before' },
    { session: 'its first session', isFirstLost: false, isLastDone: true, what: 'after' },
    { session: 'its second session', isFirstLost: true, isLastDone: false, what: 'before' },
    { session: 'its second session', isFirstLost: true, isLastDone: true, what: 'after' },
  ])(
    'that dies at any point $what what it writes in $session finds its place again',
    { timeout: 60_000 },
    async ({ isFirstLost, isLastDone }) => {
      for (let steps = 1; ; steps++) {
        const cluster = await InProcessCluster.open(['a'])
        const storage = memoryStorage({ crc32 })
        cluster.storages.set('b', storage)
        if (isKnown) await (await cluster.start('b')).close()
        const process = new Process(steps, isLastDone)
        cluster.storages.set('b', writtenBy(process, storage))
        if (isFirstLost) cluster.tooBusy.add('b')
        const disconnect = connectedBy(process, cluster)
        const broker = await cluster.start('b').catch(() => undefined)
        await broker?.close().catch(() => {})
        disconnect()
        cluster.tooBusy.clear()
        cluster.storages.set('b', storage)
        await cluster.start('b')
        await cluster.close()
        if (process.taken < steps) return expect(steps).toBeGreaterThan(6)
      }
    },
  )
})

it('a copy of the directory from when the broker was about to be registered is an old one, however often it is started', async () => {
  const cluster = await InProcessCluster.open(['a'])
  const storage = memoryStorage({ crc32 })
  let copy: ReadonlyMap<string, Uint8Array> | undefined
  cluster.storages.set('b', {
    ...storage,
    commit: async (...args) => {
      await storage.commit(...args)
      const meta = await storage.readMeta('')
      if (new TextDecoder().decode(meta.get('broker')).includes('"inCluster":true')) copy ??= meta
    },
  })
  await (await cluster.start('b')).close()
  const writes = [...copy!].map(([key, value]) => ({ type: 'meta', key, value }) as const)
  await storage.commit(writes, { durable: true })
  for (let start = 0; start < 4; start++) {
    const started = cluster.start('b')
    await expect(started).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('old copy'),
    })
  }
})

it('a broker that closes while it gets another session leaves none behind', async () => {
  const cluster = await InProcessCluster.open(['a'])
  const { tree, stores, until } = cluster
  const observer = tree.connect()
  const broker = await cluster.start('b')
  const connect = tree.connect.bind(tree)
  let closing: Promise<void> | undefined
  tree.connect = () => {
    const store = connect()
    const children = store.children.bind(store)
    store.children = async (path) => {
      // Asked for last: it is a member by now.
      if (path === paths.brokers) {
        closing ??= broker.close()
        await closing
      }
      return children(path)
    }
    return store
  }
  await tree.expire(stores.get('b')!)
  await until(async () => {
    expect(closing).toBeDefined()
    expect(await observer.children(paths.members)).toEqual(['a'])
  })
})
