import { describe, expect, it } from 'vitest'
import { isClusterMissing, joinCluster } from '../../src/coordination/cluster-identity.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { DocumentStore } from '../../src/coordination/document-store.js'
import { brokerKind, type MemberDocument, paths } from '../../src/coordination/documents.js'
import { Membership, type MembershipOptions } from '../../src/coordination/membership.js'
import type { CoordinationTree } from '../../src/coordination/tree.js'
import { seededRandom, virtualRuntime } from '../../src/runtime/virtual.js'
import { openTree, unreliable } from './coordination-support.js'

const runtime = virtualRuntime()

function member(broker: string, generation = 1, storage = `s-${broker}`): MemberDocument {
  const versions = { peer: 1, entry: 1 }
  return { broker, storage, generation, url: `http://${broker}`, versions, startedAt: 5 }
}

function join(
  store: CoordinationStore,
  document: MemberDocument,
  options: Partial<MembershipOptions> = {},
): Promise<Membership> {
  const life = `${document.broker}-${document.generation}`
  const parts = { store, timers: runtime.timers, random: runtime.random, onError: () => {} }
  return Membership.join(parts, document, { life, ...options })
}

async function registered(tree: CoordinationTree, broker: string) {
  const documents = new DocumentStore(tree.connect(), { writer: 'test', random: runtime.random })
  return (await documents.read(brokerKind, paths.broker(broker)))?.document
}

/** A session at a server that lags: it reads the node as it is now, until something that it wrote has come through there. */
async function untilItWrites(store: CoordinationStore, path: string): Promise<CoordinationStore> {
  const node = await store.read(path)
  let isBehind = true
  const write = async <T>(work: () => Promise<T>) => {
    const result = await work()
    isBehind = false
    return result
  }
  return {
    session: store.session,
    create: (...args) => write(() => store.create(...args)),
    compareAndSet: (...args) => write(() => store.compareAndSet(...args)),
    delete: (...args) => write(() => store.delete(...args)),
    read: async (asked) => (isBehind && asked === path ? node : store.read(asked)),
    children: (...args) => store.children(...args),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
  }
}

describe('members', () => {
  it('see each other come, change and go', async () => {
    const tree = await openTree()
    const first = await join(tree.connect(), member('b1'))
    const news: string[] = []
    first.onChange((brokers) => news.push(...brokers))
    const store = tree.connect()
    const second = await join(store, member('b2'))
    await runtime.settle()
    expect([...first.members.keys()].sort()).toEqual(['b1', 'b2'])
    await second.setLeaving()
    await second.setLeaving()
    await runtime.settle()
    expect(first.members.get('b2')?.leaving).toBe(true)
    const disks = [
      { full: true, stalled: false },
      { full: true, stalled: true },
      { full: true, stalled: true },
      { full: false, stalled: false },
    ]
    for (const disk of disks) {
      await second.setDisk(disk)
      await runtime.settle()
      expect(first.members.get('b2')).toMatchObject(disk)
    }
    await tree.expire(store)
    await runtime.settle()
    expect([...first.members.keys()]).toEqual(['b1'])
    expect(news).toEqual(['b2', 'b2', 'b2', 'b2', 'b2', 'b2'])
    await expect(second.setLeaving()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('wait for what an older session of the same broker left behind', async () => {
    const tree = await openTree()
    const old = tree.connect()
    await join(old, member('b1', 1))
    let joined = false
    const again = join(tree.connect(), member('b1', 2)).then((membership) => {
      joined = true
      return membership
    })
    await runtime.settle()
    expect(joined).toBe(false)
    expect((await registered(tree, 'b1'))?.generation).toBe(1)
    await tree.expire(old)
    expect((await again).members.get('b1')?.generation).toBe(2)
    expect((await registered(tree, 'b1'))?.generation).toBe(2)
  })

  it('say so when another process is the same broker, and end the wait by the signal', async () => {
    const tree = await openTree()
    await join(tree.connect(), member('b1', 1))
    const waiting = join(tree.connect(), member('b1', 2), { wait: 1_000 })
    const abort = new AbortController()
    const aborted = join(tree.connect(), member('b1', 2), { signal: abort.signal })
    const expectations = Promise.all([
      expect(waiting).rejects.toMatchObject({
        code: 'DIRECTORY_IN_USE',
        message: expect.stringContaining('http://b1'),
      }),
      expect(aborted).rejects.toMatchObject({ code: 'ABORTED' }),
    ])
    await runtime.settle()
    abort.abort()
    await runtime.advance(1_000)
    await expectations
  })

  it('leave before their session ends', async () => {
    const tree = await openTree()
    const store = tree.connect()
    const membership = await join(store, member('b1'))
    await membership.recordStop({ generation: 2, life: 'stopped' })
    await membership.close()
    expect(await store.children(paths.members)).toEqual([])
    expect((await registered(tree, 'b1'))?.generation).toBe(2)
    await membership.close()
  })

  it('join whatever becomes of answers, exactly once', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const tree = await openTree()
      const store = unreliable(tree.connect(), seededRandom(seed), 0.6)
      for (;;) {
        try {
          await join(store, member('b1', 3))
          break
        } catch (error) {
          expect(error).toMatchObject({ code: 'DISCONNECTED' })
        }
      }
      expect(await store.children(paths.members)).toEqual(['b1'])
      expect((await registered(tree, 'b1'))?.generation).toBe(3)
    }
  })
})

describe('a database', () => {
  it('that is behind its node is an old copy', async () => {
    const tree = await openTree()
    const first = tree.connect()
    await join(first, member('b1', 4))
    await first.close()
    for (const generation of [3, 4]) {
      const copy = join(tree.connect(), member('b1', generation), { life: 'another' })
      await expect(copy).rejects.toMatchObject({
        code: 'CORRUPT',
        message: expect.stringContaining('old copy'),
      })
    }
    await join(tree.connect(), member('b1', 5))
  })

  it('that knows nothing of the life in its node is an old copy, however often it was started', async () => {
    const tree = await openTree()
    const start = async (generation: number, life: string, lives?: readonly string[], storage?: string) => {
      const store = tree.connect()
      try {
        await join(store, member('b1', generation, storage), { life, lives })
      } finally {
        await store.close()
      }
    }
    await start(4, 'third')
    // A copy of when the second life was registered; each start counts, a refused one, too.
    const copied = start(9, 'copied', ['second', 'copied'])
    await expect(copied).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('old copy'),
    })
    await start(5, 'fourth', ['third', 'fourth'])
    // The same once another database has taken its place.
    await start(1, 'other', undefined, 'other disk')
    await expect(start(9, 'copied', ['second', 'copied'])).rejects.toMatchObject({ code: 'CORRUPT' })
    await start(6, 'fifth', ['third', 'fourth', 'fifth'])
  })

  it('is no old copy because a server answers that is behind what the database has noted', async () => {
    const tree = await openTree()
    const start = async (
      store: CoordinationStore,
      generation: number,
      life: string,
      lives: readonly string[],
    ) => {
      await join(store, member('b1', generation), { life, lives })
      await store.close()
    }
    await start(tree.connect(), 1, 'first', ['first'])
    const behind = await untilItWrites(tree.connect(), paths.broker('b1'))
    const alsoBehind = await untilItWrites(tree.connect(), paths.broker('b1'))
    await start(tree.connect(), 2, 'second', ['first', 'second'])
    await start(behind, 3, 'third', ['second', 'third'])
    expect(await registered(tree, 'b1')).toMatchObject({ generation: 3, life: 'third' })
    const copied = start(alsoBehind, 9, 'copied', ['none', 'copied'])
    await expect(copied).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(await registered(tree, 'b1')).toMatchObject({ generation: 3, life: 'third' })
  })

  it('may have many sessions in one life', async () => {
    const tree = await openTree()
    const first = tree.connect()
    await join(first, member('b1', 4))
    await tree.expire(first)
    const again = await join(tree.connect(), member('b1', 4))
    expect(again.members.get('b1')?.generation).toBe(4)
  })

  it('may be replaced by another, and put back, but not by an older copy of itself', async () => {
    const tree = await openTree()
    const start = async (generation: number, storage: string) => {
      const store = tree.connect()
      try {
        await join(store, member('b1', generation, storage))
      } finally {
        await store.close()
      }
    }
    await start(9, 'old')
    await start(1, 'new')
    await expect(start(6, 'old')).rejects.toMatchObject({ code: 'CORRUPT' })
    await start(10, 'old')
    await expect(start(1, 'new')).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(await registered(tree, 'b1')).toMatchObject({
      storage: 'old',
      generation: 10,
      earlier: [{ storage: 'new', generation: 1 }],
    })
  })

  it('keeps what others wrote into its node', async () => {
    const tree = await openTree()
    const store = tree.connect()
    await join(store, member('b1', 1))
    const documents = new DocumentStore(store, { writer: 'admin', random: runtime.random })
    await documents.change(brokerKind, paths.broker('b1'), (broker) => ({ ...broker, drained: true }))
    await store.close()
    await join(tree.connect(), member('b1', 2))
    expect(await registered(tree, 'b1')).toMatchObject({ generation: 2, drained: true })
  })
})

describe('a cluster', () => {
  it('is made by the first, adopted by the fresh, and refused to those of another', async () => {
    const tree = await openTree()
    const parts = () => ({
      documents: new DocumentStore(tree.connect(), { writer: 'b', random: runtime.random }),
      random: runtime.random,
      now: 7,
    })
    const clusters = await Promise.all([1, 2, 3].map(() => joinCluster(parts(), undefined)))
    expect(new Set(clusters.map(({ clusterId }) => clusterId)).size).toBe(1)
    const clusterId = clusters[0]!.clusterId
    expect((await joinCluster(parts(), clusterId)).clusterId).toBe(clusterId)
    await expect(joinCluster(parts(), 'other')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('other'),
    })
  })

  it('is not made anew by a broker that has been in it: whoever lost it shall say so', async () => {
    const tree = await openTree()
    const documents = new DocumentStore(tree.connect(), { writer: 'b', random: runtime.random })
    const parts = { documents, random: runtime.random, now: 7 }
    const error = await joinCluster(parts, 'mine').catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('mine') })
    expect(isClusterMissing(error)).toBe(true)
    expect(await documents.children('/')).toEqual([])
    const { clusterId } = await joinCluster(parts, undefined)
    const other = await joinCluster(parts, 'mine').catch((cause: unknown) => cause)
    expect(other).toMatchObject({ message: expect.stringContaining(clusterId) })
    expect(isClusterMissing(other)).toBe(false)
  })

  it('is not taken for lost because a server lags behind', async () => {
    const tree = await openTree()
    const parts = { random: runtime.random, now: 7 }
    const of = (store: CoordinationStore) => new DocumentStore(store, { writer: 'b', random: runtime.random })
    const { clusterId } = await joinCluster({ ...parts, documents: of(tree.connect()) }, undefined)
    const store = tree.connect()
    let lags = true
    const lagging: CoordinationStore = {
      ...unreliable(store, runtime.random, 0),
      read: async (path) => (lags ? undefined : store.read(path)),
      delete: async (...args) => {
        lags = false
        return store.delete(...args)
      },
    }
    expect(await joinCluster({ ...parts, documents: of(lagging) }, clusterId)).toMatchObject({ clusterId })
  })
})
