import { beforeAll, describe, expect, it } from 'vitest'
import { describeCluster, openServers, type Servers } from './support/servers.js'
import { answered, bytes, freshRoot, lost, openStore, textAt } from './support/stores.js'

const EPHEMERAL = { ephemeral: true }
const now = () => performance.now()

describeCluster('one server', () => {
  let servers: Servers
  beforeAll(async () => {
    servers = await openServers(1)
  })

  it('that is killed and comes back keeps sessions, their ephemeral nodes and their watches', async () => {
    const store = await openStore(servers.addresses + freshRoot(), { sessionTimeout: 10_000 })
    await store.create('/a', bytes('kept'))
    await store.create('/e', bytes(''), EPHEMERAL)
    let calls = 0
    store.watch('/a', () => calls++)
    await store.read('/a')
    await servers.kill()
    await servers.start()
    await servers.ready()
    expect(await textAt(store, '/a')).toBe('kept')
    expect((await answered(() => store.read('/e')))?.owner).toBe(store.session.id)
    expect(store.session.lost.aborted).toBe(false)
    await store.compareAndSet('/a', bytes('again'), 0)
    await expect.poll(() => calls).toBeGreaterThan(0)
  })

  it.each(['kill', 'pause'] as const)(
    'gone for longer than the timeout (%s): the session is lost',
    async (way) => {
      const store = await openStore(servers.addresses + freshRoot(), { sessionTimeout: 2_000 })
      await store.create('/e', bytes(''), EPHEMERAL)
      const goneAt = now()
      await servers[way]()
      const undecided = store.create('/late', bytes(''))
      await expect(undecided).rejects.toMatchObject({ code: 'DISCONNECTED' })
      await lost(store)
      const after = now() - goneAt
      // A probe was answered at most a sixth of the timeout before, and the session is given up a timeout after it was sent.
      expect(after).toBeGreaterThan(2_000 * (5 / 6) - 200)
      expect(after).toBeLessThan(3_500)
      await expect(store.read('/e')).rejects.toMatchObject({ code: 'CLOSED' })
      if (way === 'pause') await servers.resume()
      else await servers.start()
      await servers.ready()
    },
  )

  it('that is gone keeps nobody from closing for long', async () => {
    const store = await openStore(servers.addresses + freshRoot(), { sessionTimeout: 6_000 })
    await servers.kill()
    const pending = store.create('/a', bytes(''))
    const rejection = expect(pending).rejects.toMatchObject({ code: 'DISCONNECTED' })
    const began = now()
    await store.close()
    await rejection
    expect(now() - began).toBeLessThan(5_000)
    await servers.start()
    await servers.ready()
  })
})

describeCluster('an ensemble of three', () => {
  let servers: Servers
  beforeAll(async () => {
    servers = await openServers(3)
  })

  it('whose leader is killed goes on, with all its sessions', async () => {
    const root = freshRoot()
    const stores = await Promise.all(
      Array.from({ length: 6 }, () => openStore(servers.addresses + root, { sessionTimeout: 6_000 })),
    )
    const [store, other] = stores as [(typeof stores)[0], (typeof stores)[0]]
    await store.create('/counter', bytes('0'))
    await Promise.all(stores.map((one, n) => one.create(`/members/${n}`, bytes(''), EPHEMERAL)))
    const leader = await servers.leader()
    await servers.kill(leader)
    expect(await textAt(store, '/counter')).toBe('0')
    await Promise.all(stores.map((one) => answered(() => one.read('/counter'))))
    expect(await other.compareAndSet('/counter', bytes('1'), 0)).toBe(1)
    for (const one of stores) expect(await textAt(one, '/counter')).toBe('1')
    expect(await store.children('/members')).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(stores.map(({ session }) => session.lost.aborted)).toEqual(stores.map(() => false))
    expect(await servers.leader()).not.toBe(leader)
    await servers.start(leader)
    await servers.ready(leader)
  })

  describe('reads', () => {
    it('show soon what another session wrote before, through whichever server', async () => {
      const root = freshRoot()
      const stores = await Promise.all(
        servers.addresses.split(',').map((address) => openStore(address + root, { sessionTimeout: 6_000 })),
      )
      await stores[0]!.create('/a', bytes('0'))
      for (let round = 0; round < 60; round++) {
        const writer = stores[round % 3]!
        expect(await writer.compareAndSet('/a', bytes(`${round + 1}`), round)).toBe(round + 1)
        // Mostly at once, by the sync that goes before each read; it does not wait for a majority, and one server may be a moment behind.
        await expect
          .poll(() => Promise.all(stores.map((store) => textAt(store, '/a'))), { timeout: 5_000 })
          .toEqual(stores.map(() => `${round + 1}`))
      }
    })
  })

  it('with one server left answers nobody, until another is back', async () => {
    const root = freshRoot()
    const store = await openStore(servers.addresses + root, { sessionTimeout: 6_000 })
    await store.create('/a', bytes('kept'))
    await servers.kill(0)
    await servers.kill(1)
    await expect(store.create('/b', bytes(''))).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await expect(openStore(servers.addresses + root, { connectTimeout: 1_000 })).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
    await Promise.all([servers.start(0), servers.start(1)])
    await Promise.all([servers.ready(0), servers.ready(1)])
    const again = await openStore(servers.addresses + root, { connectTimeout: 30_000 })
    expect(await textAt(again, '/a')).toBe('kept')
  })
})
