import { beforeAll, expect, it } from 'vitest'
import { describeCluster, openLink, openServers, sharedServer } from './support/servers.js'
import { answered, bytes, freshRoot, lost, openStore } from './support/stores.js'

const EPHEMERAL = { ephemeral: true }
const TIMEOUT = 2_000
const now = () => performance.now()

/** Keeps the event loop busy. */
function block(milliseconds: number): void {
  const end = now() + milliseconds
  while (now() < end);
}

describeCluster('a session', () => {
  let server: string
  beforeAll(async () => {
    server = await sharedServer()
  })

  it('has the timeout that the server grants: 2 to 20 times its tick of 500 ms', async () => {
    const [short, asked, long] = await Promise.all(
      [500, 3_000, 60_000].map((sessionTimeout) => openStore(server + freshRoot(), { sessionTimeout })),
    )
    expect([short, asked, long].map((store) => store?.session.timeout)).toEqual([1_000, 3_000, 10_000])
  })

  it('has a lease that is renewed by probes', async () => {
    const { session } = await openStore(server + freshRoot(), { sessionTimeout: TIMEOUT })
    const first = session.leaseUntil()
    expect(first).toBeGreaterThan(now())
    expect(first).toBeLessThanOrEqual(now() + (2 / 3) * TIMEOUT)
    await expect.poll(() => session.leaseUntil(), { timeout: 5_000 }).toBeGreaterThan(first + TIMEOUT)
  })

  it('whose link falls silent lets the lease run out, then is lost, before the server drops it', async () => {
    const root = freshRoot()
    const link = await openLink(server)
    const store = await openStore(link.address + root, { sessionTimeout: TIMEOUT })
    const witness = await openStore(server + root, { sessionTimeout: 10_000 })
    await store.create('/e', bytes(''), EPHEMERAL)
    await link.hush()
    await lost(store)
    // Nobody has seen the node go while this session took itself for alive.
    expect((await witness.read('/e'))?.owner).toBe(store.session.id)
    expect(store.session.leaseUntil()).toBe(-Infinity)
    await expect.poll(() => witness.read('/e'), { timeout: 10_000 }).toBeUndefined()
  })

  it('is lost soon after the event loop was blocked for longer than the timeout', async () => {
    const store = await openStore(server + freshRoot(), { sessionTimeout: TIMEOUT })
    await store.create('/e', bytes(''), EPHEMERAL)
    block(TIMEOUT * 1.6)
    // Known at once, whatever the client says of itself.
    expect(store.session.leaseUntil()).toBeLessThan(now())
    const began = now()
    await lost(store)
    expect(now() - began).toBeLessThan(1_000)
  })

  it('survives a block that is shorter than the timeout', async () => {
    const store = await openStore(server + freshRoot(), { sessionTimeout: 4_000 })
    await store.create('/e', bytes(''), EPHEMERAL)
    block(2_500)
    expect((await answered(() => store.read('/e')))?.owner).toBe(store.session.id)
    expect(store.session.lost.aborted).toBe(false)
  })

  it('that the server does not know any more is lost at once', async () => {
    const own = await openServers(1)
    const link = await openLink(own.addresses)
    const store = await openStore(link.address + freshRoot(), { sessionTimeout: 10_000 })
    const elsewhere = await openStore(server + freshRoot(), { sessionTimeout: 10_000 })
    // A server that has seen less than the client refuses it.
    await Promise.all(Array.from({ length: 200 }, (_, n) => elsewhere.create(`/n/${n}`, bytes(''))))
    await link.lead(server)
    const began = now()
    await link.cut()
    await lost(store)
    expect(now() - began).toBeLessThan(8_000)
    expect(store.session.lost.reason).toMatchObject({
      code: 'DISCONNECTED',
      message: /has ended the session/,
    })
  })

  it('is another one each time the adapter is called', async () => {
    const root = freshRoot()
    const first = await openStore(server + root, { sessionTimeout: TIMEOUT })
    await first.create('/e', bytes(''), EPHEMERAL)
    await first.close()
    const second = await openStore(server + root, { sessionTimeout: TIMEOUT })
    expect(second.session.id).not.toBe(first.session.id)
    await expect.poll(() => second.read('/e')).toBeUndefined()
    expect(first.session.lost.aborted).toBe(false)
  })
})
