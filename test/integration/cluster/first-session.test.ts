import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { paths } from '../../../src/coordination/documents.js'
import { PortalError } from '../../../src/core/errors.js'
import { memoryStorage } from '../../../src/storage/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { InProcessCluster } from './in-process.js'

let cluster: InProcessCluster | undefined

afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

/** A disk that fails for good when it is told to, or at its `last` commit. */
class FailingDisk {
  readonly storage: Storage
  hasFailed = false
  #commits = 0
  readonly #listeners: ((error: PortalError) => void)[] = []

  constructor(last = Number.POSITIVE_INFINITY) {
    const storage = memoryStorage({ crc32 })
    this.storage = {
      ...storage,
      commit: async (...args) => {
        if (++this.#commits === last) this.fail()
        if (this.hasFailed) throw failure()
        return storage.commit(...args)
      },
      onFailure: (listener) => void this.#listeners.push(listener),
    }
  }

  fail(): void {
    this.hasFailed = true
    for (const listener of this.#listeners) listener(failure())
  }
}

function failure(): PortalError {
  return new PortalError('STORAGE_FAILED', 'The disk is gone.')
}

describe('a broker whose disk fails before it has joined the cluster', () => {
  it.each([
    { session: 'its first session', isFirstLost: false },
    { session: 'the session that came for its first', isFirstLost: true },
  ])('says so, whatever it wrote last in $session', { timeout: 60_000 }, async ({ isFirstLost }) => {
    cluster = await InProcessCluster.open(['a'])
    for (let last = 1; ; last++) {
      const disk = new FailingDisk(last)
      cluster.storages.set('b', disk.storage)
      if (isFirstLost) cluster.tooBusy.add('b')
      const broker = await cluster.start('b').catch((error: unknown) => error)
      cluster.tooBusy.clear()
      if (!disk.hasFailed) return expect(last).toBeGreaterThan(2)
      expect(broker).toMatchObject({ code: 'STORAGE_FAILED' })
    }
  })

  it('says so while no controller has spoken to it', async () => {
    cluster = await InProcessCluster.open(['a'])
    cluster.isolate('a')
    const disk = new FailingDisk()
    cluster.storages.set('b', disk.storage)
    const started = cluster.start('b').catch((error: unknown) => error)
    const observer = cluster.tree.connect()
    await cluster.until(async () => expect(await observer.children(paths.members)).toContain('b'))
    disk.fail()
    expect(await started).toMatchObject({ code: 'STORAGE_FAILED' })
  })

  it('says so while it is told of topics: nobody is given a broker that has ended', async () => {
    cluster = await InProcessCluster.open(['a'])
    const disk = new FailingDisk()
    cluster.storages.set('b', disk.storage)
    const { tree } = cluster
    const connect = tree.connect.bind(tree)
    tree.connect = () => {
      const store = connect()
      const children = store.children.bind(store)
      store.children = async (path) => {
        if (path === paths.topics) disk.fail()
        return children(path)
      }
      return store
    }
    await expect(cluster.start('b')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  })

  it('says so while it waits for an older session to end', async () => {
    cluster = await InProcessCluster.open(['a', 'b'])
    const disk = new FailingDisk()
    cluster.storages.set('b', disk.storage)
    const { tree } = cluster
    const connect = tree.connect.bind(tree)
    let isWaiting = false
    tree.connect = () => {
      const store = connect()
      const watch = store.watch.bind(store)
      store.watch = (path, ...args) => {
        isWaiting ||= path === paths.member('b')
        return watch(path, ...args)
      }
      return store
    }
    const older = cluster.brokers.get('b')!
    const started = cluster.start('b').catch((error: unknown) => error)
    await cluster.until(async () => expect(isWaiting).toBe(true))
    disk.fail()
    expect(await started).toMatchObject({ code: 'STORAGE_FAILED' })
    await older.close()
  })
})

it('a broker that was not told which topics there are asks again before it serves', async () => {
  cluster = await InProcessCluster.open(['a'])
  const { tree } = cluster
  const connect = tree.connect.bind(tree)
  let asked = 0
  tree.connect = () => {
    const store = connect()
    const children = store.children.bind(store)
    store.children = async (path) => {
      // The second time the answer is lost with the session.
      if (path === paths.topics && ++asked === 2) await tree.expire(store)
      if (path === paths.topics && asked < 3) throw new PortalError('DISCONNECTED', 'The answer was lost.')
      return children(path)
    }
    return store
  }
  await cluster.start('b')
  expect(asked).toBe(3)
})
