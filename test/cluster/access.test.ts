import { beforeAll, expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { describeCluster, openLink, sharedServer } from './support/servers.js'
import { bytes, freshRoot, openStore, textAt } from './support/stores.js'

const ALICE = { auth: { digest: 'alice:secret' } }
const BOB = { auth: { digest: 'bob:secret' } }
const FORBIDDEN = { code: 'FORBIDDEN' }

describeCluster('clusters on one ensemble', () => {
  let server: string
  beforeAll(async () => {
    server = await sharedServer()
  })

  it('with paths of their own do not see one another', async () => {
    const shared = freshRoot()
    const [one, two] = await Promise.all([
      openStore(`${server}${shared}/one`),
      openStore(`${server}${shared}/two`),
    ])
    let calls = 0
    two.watch('/a', () => calls++)
    expect(await two.read('/a')).toBeUndefined()
    await one.create('/a', bytes('of one'))
    expect(await two.create('/a', bytes('of two'))).toBe('/a')
    expect([await textAt(one, '/a'), await textAt(two, '/a')]).toEqual(['of one', 'of two'])
    await one.compareAndSet('/a', bytes('again'), 0)
    await two.read('/a')
    expect(calls).toBe(1)
    expect(await one.children('/')).toEqual(['a'])
  })

  it('of several users: neither opens, reads, writes, lists nor removes what is another’s', async () => {
    const shared = freshRoot()
    const alice = await openStore(`${server}${shared}/alice/deep`, ALICE)
    await openStore(`${server}${shared}/bob`, BOB)
    await everyKind(alice)

    await expect(openStore(`${server}${shared}/alice/deep`, BOB)).rejects.toMatchObject(FORBIDDEN)
    await expect(openStore(`${server}${shared}/alice/deep`)).rejects.toMatchObject(FORBIDDEN)
    for (const options of [{}, BOB])
      await expectClosed(await openStore(`${server}${shared}`, options), '/alice/deep')
    await openStore(`${server}${shared}/alice/deep`, ALICE)
  })

  it('with another password is another user', async () => {
    const root = freshRoot()
    await openStore(server + root, ALICE)
    const wrong = openStore(server + root, { auth: { digest: 'alice:wrong' } })
    await expect(wrong).rejects.toMatchObject(FORBIDDEN)
  })

  it('that was open is closed by the first that comes with a user; what it had made is not', async () => {
    const root = freshRoot()
    const open = await openStore(server + root)
    await open.create('/before', bytes(''))
    const alice = await openStore(server + root, ALICE)
    await alice.create('/after', bytes(''))
    await expect(open.read('/after')).rejects.toMatchObject(FORBIDDEN)
    await expect(open.create('/more', bytes(''))).rejects.toMatchObject(FORBIDDEN)
    expect((await open.read('/before'))?.version).toBe(0)
  })

  it('keeps a user through lost connections, and leaves nothing open that was made meanwhile', async () => {
    const shared = freshRoot()
    const link = await openLink(server)
    const alice = await openStore(`${link.address}${shared}/alice`, { ...ALICE, sessionTimeout: 6_000 })
    for (let round = 0; round < 4; round++) {
      const made = Array.from({ length: 50 }, (_, n) => alice.create(`/n/${round}-${n}`, bytes('')))
      const settled = Promise.allSettled(made)
      await link.cut()
      await settled
    }
    await textAt(alice, '/n')
    const bob = await openStore(`${server}${shared}`, BOB)
    const names = await alice.children('/n')
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) await expect(bob.read(`/alice/n/${name}`)).rejects.toMatchObject(FORBIDDEN)
  })
})

async function everyKind(store: CoordinationStore): Promise<void> {
  await store.create('/p/document', bytes('secret'))
  await store.create('/p/e', bytes('secret'), { ephemeral: true })
  await store.create('/p/s', bytes('secret'), { sequential: true })
  await store.create('/p/es', bytes('secret'), { sequential: true, ephemeral: true })
  await store.create('/p/q/r/deep', bytes('secret'))
}

async function expectClosed(store: CoordinationStore, root: string): Promise<void> {
  const closed = [
    '',
    '/p',
    '/p/document',
    '/p/e',
    '/p/s-0000000002',
    '/p/es-0000000003',
    '/p/q',
    '/p/q/r/deep',
  ]
  for (const path of closed.map((each) => root + each)) {
    await expect(store.read(path), path).rejects.toMatchObject(FORBIDDEN)
    await expect(store.children(path), path).rejects.toMatchObject(FORBIDDEN)
    await expect(store.compareAndSet(path, bytes('x'), 0), path).rejects.toMatchObject(FORBIDDEN)
    const child = store.create(`${path}/child`, bytes(''))
    await expect(child, path).rejects.toMatchObject({ code: /FORBIDDEN|INVALID_ARGUMENT/ })
    if (path !== root) await expect(store.delete(path), path).rejects.toMatchObject(FORBIDDEN)
  }
}
