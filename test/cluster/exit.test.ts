import { beforeAll, expect, it } from 'vitest'
import { startChild } from '../integration/support/child.js'
import { bundleProgram } from '../support/bundle.js'
import { describeCluster, openLink, sharedServer } from './support/servers.js'
import { freshRoot } from './support/stores.js'

describeCluster('a process', () => {
  let program: string
  let server: string
  beforeAll(async () => {
    program = await bundleProgram('test/cluster/exit/child.ts', 'zookeeper-exit')
    server = await sharedServer()
  })

  it('ends by itself once its session is closed, and nothing but its own words was printed', async () => {
    const child = startChild(program, 'close', server + freshRoot())
    expect(await child.ended).toBe(0)
    expect(child.lines).toEqual([expect.stringMatching(/^open 0x[0-9a-f]+$/)])
  })

  it('ends by itself once its session is lost', async () => {
    const link = await openLink(server)
    const child = startChild(program, 'lose', link.address + freshRoot())
    await child.said('open')
    await link.sever()
    expect(await child.ended).toBe(0)
    expect(child.lines.at(-1)).toBe('lost')
  })

  it('ends by itself once no server was reached', async () => {
    // Port 1 of loopback: nobody listens there.
    const child = startChild(program, 'unreachable', '127.0.0.1:1/test')
    expect(await child.ended).toBe(0)
    expect(child.lines).toEqual(['DISCONNECTED'])
  })
})
