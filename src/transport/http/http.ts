import { invalid } from '../../core/options.js'
import { systemRuntime } from '../../runtime/system.js'
import type { Listener, Transport } from '../transport.js'
import { createAdmission } from './admission.js'
import { httpService } from './client/http-service.js'
import { peerClient } from './client/peer-client.js'
import { openStreams } from './client/receive-stream.js'
import type { Send } from './client/send.js'
import { type UndiciSend, undiciSend } from './client/undici-send.js'
import { FORWARDED_HEADER, SECRET_HEADER } from './cluster.js'
import { guardHosts, guardOrigins } from './cors.js'
import { createDispatcher } from './dispatch.js'
import {
  type HttpOptions,
  isLoopback,
  type ResolvedHttpOptions,
  refuseOpenPeers,
  resolveHttpOptions,
} from './http-options.js'
import { connectionsOf, listenNode, type NodeServer } from './node-server.js'
import { pack } from './packing.js'
import { createPeerAdmission } from './peer-admission.js'
import { peerRoutes } from './routes/peers.js'
import { serviceRoutes } from './routes/routes.js'

/**
 * Makes a broker reachable over HTTP: from this machine alone, unless it is told otherwise.
 *
 * Throws INVALID_ARGUMENT for an option that cannot be, and for a host beyond this machine without `tls` and `auth`.
 *
 * @example
 * const broker = await createBroker({ directory: './data', transport: http({ port: 5000 }) })
 *
 * @example
 * http({ port: 5000, host: '0.0.0.0', tls: { cert, key }, auth: { tokens: [{ token, principal: 'sensors' }] } })
 */
export function http(options: HttpOptions): Transport {
  const resolved = resolveHttpOptions(options)
  const { host, port, tls, auth, cors, limits, logger } = resolved
  const runtime = systemRuntime()
  const serviceAt = (address: string, send: Send, headers: () => Record<string, string>) =>
    httpService(address, {
      send,
      pack,
      streams: openStreams,
      clock: runtime.clock,
      timers: runtime.timers,
      headers,
      timeout: TIMEOUT,
    })
  let carrier: UndiciSend | undefined
  const sendToBroker: Send = (request) => {
    carrier ??= undiciSend(resolved.cluster?.tls)
    return carrier.send(request)
  }
  return {
    async listen(service, peers): Promise<Listener> {
      if (peers !== undefined) refuseOpenPeers(resolved)
      let server: NodeServer | undefined
      const dispatcher = createDispatcher(service, {
        routes: serviceRoutes,
        runtime,
        logger,
        maxBodyBytes: limits.bodyBytes,
        serverMetrics: async () => [await connectionsOf(server)],
        admit: createAdmission(auth, limits, { clock: runtime.clock, logger }),
        peers: peers && {
          routes: peerRoutes(peers),
          admit: createPeerAdmission(resolved.cluster, runtime.clock),
        },
      })
      const guarded = guardOrigins(dispatcher, cors)
      const handler = resolved.onlyLoopbackProtects ? guardHosts(guarded, ownHosts(resolved)) : guarded
      server = await listenNode(handler, { host, port, tls, limits, logger })
      return { address: addressOf(resolved, server.port), close: server.close }
    },
    connect: (address) => serviceAt(address, undiciSend().send, () => ({})),
    connectForwarding: (address) =>
      serviceAt(address, sendToBroker, () => ({
        ...brokerHeaders(resolved, address),
        [FORWARDED_HEADER]: '1',
      })),
    connectPeer: (address) =>
      peerClient(address, {
        send: sendToBroker,
        headers: () => brokerHeaders(resolved, address),
        timeout: TIMEOUT,
      }),
  }
}

/** Milliseconds without an answer, beyond what a call itself waits, after which a broker counts as gone. */
const TIMEOUT = 10_000

/** How a broker is known for one. Throws INVALID_ARGUMENT where whoever listens on the way would learn the secret. */
function brokerHeaders({ cluster, insecure }: ResolvedHttpOptions, address: string): Record<string, string> {
  const secret = cluster?.shownSecret()
  if (secret === undefined) return {}
  const { protocol, hostname } = new URL(address)
  if (protocol === 'https:' || insecure || isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')))
    return { [SECRET_HEADER]: secret }
  throw invalid(
    `The cluster's secret is not sent to ${address}, where it can be read on the way: let that broker be reached by https, or say insecure: true here.`,
  )
}

function addressOf({ advertise, tls, host }: ResolvedHttpOptions, port: number): string {
  return advertise ?? `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function ownHosts({ host, advertise }: ResolvedHttpOptions): string[] {
  return advertise === undefined ? [host] : [host, new URL(advertise).hostname]
}
