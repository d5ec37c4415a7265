import { beforeAll, expect, it } from 'vitest'
import { type Child, startChild } from '../integration/support/child.js'
import { bundleProgram } from '../support/bundle.js'
import { describeCluster, type Link, openLink, sharedServer } from './support/servers.js'
import { freshRoot, openStore } from './support/stores.js'

const CUTS = 20
const STEP = 500

describeCluster('a process that makes nodes', () => {
  let program: string
  let server: string
  beforeAll(async () => {
    program = await bundleProgram('test/cluster/cut/child.ts', 'zookeeper-cut')
    server = await sharedServer()
  })

  it('and whose connection is cut 20 times goes on with the builtin client, in one session', async () => {
    const link = await openLink(server)
    const child = startChild(program, 'builtin', link.address + freshRoot(), `${STEP * (CUTS + 1)}`)
    expect(await cutUnderLoad(child, link)).toBe(CUTS)
    expect(await child.ended).toBe(0)
    expect(child.lines.at(-1)).toBe('alive')
  })

  // Why the package is not the default, and why no other test cuts a connection of it. A call that finds its connection cut closes the socket, and libuv,
  // which is not told, aborts: epoll_ctl(…, EPOLL_CTL_ADD, fd) = EBADF in uv__io_poll. Of 8 processes 8 ended within 2 cuts. Should this ever
  // fail, the package was mended: docs/coordination.md is to be written anew, and test/cluster/conformance.test.ts may cut.
  it('and whose connection is cut is aborted with the package: SIGABRT', async () => {
    const link = await openLink(server)
    const child = startChild(program, 'package', link.address + freshRoot(), `${STEP * (CUTS + 1)}`)
    await cutUnderLoad(child, link)
    expect(await child.ended).toBe('SIGABRT')
    expect(child.lines[0]).toBe('open')
  })

  it('and is not cut ends by itself with the package, and prints nothing but its own words', async () => {
    const child = startChild(program, 'package', server + freshRoot(), `${STEP}`)
    expect(await child.ended).toBe(0)
    expect(child.lines).toEqual(['open', `created ${STEP}`, 'alive'])
  })

  it('and reaches no server with the package hears DISCONNECTED', async () => {
    // Port 1 of loopback: nobody listens there.
    const opening = openStore('127.0.0.1:1/test', { client: 'package', connectTimeout: 700 })
    await expect(opening).rejects.toMatchObject({
      code: 'DISCONNECTED',
      message: expect.stringContaining('127.0.0.1:1'),
    })
  })
})

describeCluster('a cluster', () => {
  it('may have brokers with either client', async () => {
    const address = (await sharedServer()) + freshRoot()
    const [one, other] = await Promise.all([
      openStore(address, { client: 'builtin' }),
      openStore(address, { client: 'package' }),
    ])
    const ephemeral = { ephemeral: true }
    await Promise.all([
      one.create('/members/builtin', new Uint8Array(0), ephemeral),
      other.create('/members/package', new Uint8Array(0), ephemeral),
    ])
    for (const store of [one, other]) {
      expect((await store.read('/members/builtin'))?.owner).toBe(one.session.id)
      expect((await store.read('/members/package'))?.owner).toBe(other.session.id)
    }
  })
})

/** Cuts the connection after each step. Resolves to the number of cuts: fewer if the process ended. */
async function cutUnderLoad(child: Child, link: Link): Promise<number> {
  for (let cuts = 0; cuts < CUTS; cuts++) {
    const worked = child.said(`created ${STEP * (cuts + 1)}`)
    const over = await worked.then(
      () => false,
      () => true,
    )
    if (over) return cuts
    await link.cut()
  }
  return CUTS
}
