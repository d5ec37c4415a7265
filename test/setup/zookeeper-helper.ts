import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ZooKeeperEnsemble, zooKeeperEnsemble } from '../../src/testing/zookeeper-ensemble.js'
import { ZooKeeperLink } from './zookeeper-link.js'

/** What a test process asks of the process that starts servers for it. */
export type HelperRequest =
  /** One server for all tests, each below a path of its own. It is never stopped. */
  | { readonly do: 'shared' }
  | { readonly do: 'open'; readonly servers: number; readonly tickTime: number }
  | { readonly do: 'close'; readonly ensemble: number }
  | { readonly do: 'leader'; readonly ensemble: number }
  | {
      readonly do: 'start' | 'ready' | 'stop' | 'kill' | 'pause' | 'resume'
      readonly ensemble: number
      readonly server: number
    }
  /** A way to a server that can be cut: not in the test's own process, whose event loop tests block. */
  | { readonly do: 'link'; readonly target: string }
  | { readonly do: 'lead'; readonly link: number; readonly target: string }
  | { readonly do: 'cut' | 'sever' | 'hush' | 'mend' | 'unlink'; readonly link: number }

export interface HelperAnswer {
  readonly ensemble?: number
  readonly link?: number
  readonly addresses?: string
  /** Which server leads; -1: none. */
  readonly leader?: number
  readonly error?: string
}

export interface Helper {
  readonly url: string
  close(): Promise<void>
}

/** Serves test processes on loopback. */
export async function startHelper(): Promise<Helper> {
  const ensembles: ZooKeeperEnsemble[] = []
  const links: ZooKeeperLink[] = []
  let shared: Promise<ZooKeeperEnsemble> | undefined
  const server = createServer((request, response) => {
    void perform(request).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
    )
  })

  async function perform(request: IncomingMessage): Promise<HelperAnswer> {
    const asked = JSON.parse(await text(request)) as HelperRequest
    if (asked.do === 'shared') {
      shared ??= open(1, 500)
      return { addresses: (await shared).addresses }
    }
    if (asked.do === 'open') {
      const ensemble = await open(asked.servers, asked.tickTime)
      return { ensemble: ensembles.indexOf(ensemble), addresses: ensemble.addresses }
    }
    if (asked.do === 'link') {
      const link = await ZooKeeperLink.open(asked.target)
      return { link: links.push(link) - 1, addresses: link.address }
    }
    if ('link' in asked) {
      const link = links[asked.link]!
      if (asked.do === 'lead') link.lead(asked.target)
      else if (asked.do === 'unlink') link.close()
      else link[asked.do]()
      return {}
    }
    const ensemble = ensembles[asked.ensemble]!
    if (asked.do === 'close') await ensemble.close()
    else if (asked.do === 'leader') {
      const leader = await ensemble.leader()
      return { leader: leader ? ensemble.servers.indexOf(leader) : -1 }
    } else await ensemble.servers[asked.server]![asked.do]()
    return {}
  }

  async function open(servers: number, tickTime: number): Promise<ZooKeeperEnsemble> {
    const ensemble = await zooKeeperEnsemble({ servers, tickTime })
    ensembles.push(ensemble)
    return ensemble
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      for (const link of links) link.close()
      await Promise.all(ensembles.map((ensemble) => ensemble.close()))
    },
  }
}
