import { beforeAll, expect, it } from 'vitest'
import { describeCluster, openLink, sharedServer } from './support/servers.js'
import { bytes, freshRoot, openStore } from './support/stores.js'

describeCluster('connecting', () => {
  let server: string
  let port: string
  beforeAll(async () => {
    server = await sharedServer()
    port = server.split(':')[1]!
  })

  it('finds a server by its name', async () => {
    const store = await openStore(`localhost:${port}${freshRoot()}`)
    expect(await store.create('/a', bytes(''))).toBe('/a')
  })

  it('finds the one of several servers that is there', async () => {
    const store = await openStore(`127.0.0.1:1,no-such-host.invalid:2181,${server}${freshRoot()}`)
    expect(await store.create('/a', bytes(''))).toBe('/a')
  })

  it('rejects with DISCONNECTED at its deadline, and names what it has tried', async () => {
    const began = performance.now()
    const opening = openStore('127.0.0.1:1,127.0.0.1:2/test', { connectTimeout: 700 })
    await expect(opening).rejects.toMatchObject({
      code: 'DISCONNECTED',
      message: expect.stringContaining('127.0.0.1:1, 127.0.0.1:2'),
    })
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('rejects with DISCONNECTED when the server accepts and is silent', async () => {
    const link = await openLink(server)
    await link.hush()
    const opening = openStore(link.address + freshRoot(), { connectTimeout: 700 })
    await expect(opening).rejects.toMatchObject({ code: 'DISCONNECTED' })
  })

  it('rejects with DISCONNECTED when no name leads anywhere', async () => {
    const opening = openStore('no-such-host.invalid:2181', { connectTimeout: 10_000 })
    await expect(opening).rejects.toMatchObject({
      code: 'DISCONNECTED',
      message: expect.stringContaining('no-such-host.invalid'),
    })
  })

  it('makes the path of the cluster, once for all that come at the same time', async () => {
    const root = `${freshRoot()}/deep/er`
    const stores = await Promise.all(Array.from({ length: 5 }, () => openStore(server + root)))
    await stores[0]!.create('/a', bytes(''))
    expect(await stores[4]!.children('/')).toEqual(['a'])
  })
})
