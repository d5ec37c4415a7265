import { beforeAll, expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { LockService } from '../../src/coordination/lock.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { describeCluster, openLink, sharedServer } from './support/servers.js'
import { answered, freshRoot, lost, openStore } from './support/stores.js'

const LOCK = { name: 'nightly', ttl: 600_000 }
const PLACES = '/locks/nightly'

describeCluster('locks on ZooKeeper', () => {
  let server: string
  beforeAll(async () => {
    server = await sharedServer()
  })

  async function openBroker(root: string, address = server) {
    const store = await openStore(address + root, { sessionTimeout: 2_000 })
    return { store, locks: new LockService(store, systemRuntime()) }
  }

  it('are had by one at a time, in the order of coming, whichever broker they come to; tokens rise', async () => {
    const root = freshRoot()
    const brokers = await Promise.all([openBroker(root), openBroker(root), openBroker(root)])
    const order: number[] = []
    const waiting: Promise<number>[] = []
    for (let n = 0; n < 12; n++) {
      const { locks } = brokers[n % 3]!
      const token = locks.acquire(LOCK).then((grant) => {
        order.push(n)
        return grant!.token
      })
      waiting.push(token)
      await expect.poll(() => brokers[0]!.store.children(PLACES)).toHaveLength(n + 1)
    }
    const tokens: number[] = []
    for (const [n, token] of waiting.entries()) {
      tokens.push(await token)
      expect(order).toHaveLength(n + 1)
      await brokers[n % 3]!.locks.release(LOCK.name, tokens[n]!)
    }
    expect(order).toEqual(order.map((_, n) => n))
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
    expect(await brokers[0]!.store.children('/locks')).toEqual([])
  })

  it('wake one of many with each release (no herd)', async () => {
    const { store } = await openBroker(freshRoot())
    let lists = 0
    let reads = 0
    const counted = counting(store, { onList: () => lists++, onRead: () => reads++ })
    const locks = new LockService(counted, systemRuntime())
    const grants = Array.from({ length: 100 }, () => locks.acquire(LOCK).then((grant) => grant!.token))
    await expect.poll(() => store.children(PLACES)).toHaveLength(100)
    await grants[0]
    // All have looked for the one before them, and wait.
    await expect.poll(() => reads).toBeGreaterThanOrEqual(100 + 1)
    for (const grant of grants.slice(0, -1)) {
      const token = await grant
      lists = 0
      reads = 0
      await locks.release(LOCK.name, token)
      await grants[grants.indexOf(grant) + 1]
      expect(lists).toBe(1)
      // That its predecessor is gone, the last token, and that it is still there itself.
      expect(reads).toBe(3)
    }
  })

  it('pass on when a session is lost, and its holder is told; an old token renews nothing', async () => {
    const root = freshRoot()
    const link = await openLink(server)
    const [one, other] = await Promise.all([openBroker(root, link.address), openBroker(root)])
    const held = await one.locks.acquire(LOCK)
    const waiter = one.locks.acquire(LOCK)
    const refused = expect(waiter).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await expect.poll(() => other.store.children(PLACES)).toHaveLength(2)
    const next = other.locks.acquire(LOCK)
    await link.sever()
    await lost(one.store)
    await refused
    await expect(one.locks.renew(LOCK.name, held!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect((await next)!.token).toBeGreaterThan(held!.token)
  })

  it('have one holder at a time while connections are lost', async () => {
    const root = freshRoot()
    const links = await Promise.all([openLink(server), openLink(server)])
    const brokers = await Promise.all(links.map(({ address }) => openBroker(root, address)))
    const tokens: number[] = []
    let holders = 0
    let working = brokers.length
    const work = brokers.map(async ({ locks }) => {
      for (let turn = 0; turn < 15; turn++) {
        const grant = await answered(() => locks.acquire(LOCK))
        expect(++holders).toBe(1)
        tokens.push(grant!.token)
        await answered(() => locks.renew(LOCK.name, grant!.token))
        holders--
        await locks.release(LOCK.name, grant!.token)
      }
      working--
    })
    const cutting = (async () => {
      for (let turn = 0; turn < 8 && working > 0; turn++) {
        await links[turn % 2]!.cut()
        await answered(() => brokers[turn % 2]!.store.read('/'))
      }
    })()
    await Promise.all([...work, cutting])
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
    expect(new Set(tokens).size).toBe(30)
    expect(brokers.map(({ store }) => store.session.lost.aborted)).toEqual([false, false])
  })

  it('leave nothing behind when their service closes', async () => {
    const root = freshRoot()
    const [one, other] = await Promise.all([openBroker(root), openBroker(root)])
    await one.locks.acquire(LOCK)
    const next = other.locks.acquire(LOCK)
    await one.locks.close()
    await other.locks.release(LOCK.name, (await next)!.token)
    expect(await other.store.children('/locks')).toEqual([])
  })
})

function counting(
  store: CoordinationStore,
  on: { onList: () => void; onRead: () => void },
): CoordinationStore {
  return {
    session: store.session,
    create: (...args) => store.create(...args),
    read(...args) {
      on.onRead()
      return store.read(...args)
    },
    compareAndSet: (...args) => store.compareAndSet(...args),
    delete: (...args) => store.delete(...args),
    children(...args) {
      on.onList()
      return store.children(...args)
    },
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
  }
}
