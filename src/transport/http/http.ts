import { systemRuntime } from '../../runtime/system.js'
import type { Listener, Transport } from '../transport.js'
import { createAdmission } from './admission.js'
import { httpService } from './client/http-service.js'
import { openStream } from './client/receive-stream.js'
import { undiciSend } from './client/undici-send.js'
import { guardHosts, guardOrigins } from './cors.js'
import { createDispatcher } from './dispatch.js'
import { type HttpOptions, type ResolvedHttpOptions, resolveHttpOptions } from './http-options.js'
import { connectionsOf, listenNode, type NodeServer } from './node-server.js'
import { pack } from './packing.js'
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
  return {
    async listen(service): Promise<Listener> {
      let server: NodeServer | undefined
      const dispatcher = createDispatcher(service, {
        routes: serviceRoutes,
        runtime,
        logger,
        maxBodyBytes: limits.bodyBytes,
        serverMetrics: async () => [await connectionsOf(server)],
        admit: createAdmission(auth, limits, { clock: runtime.clock, logger }),
      })
      const guarded = guardOrigins(dispatcher, cors)
      const handler = resolved.onlyLoopbackProtects ? guardHosts(guarded, ownHosts(resolved)) : guarded
      server = await listenNode(handler, { host, port, tls, limits, logger })
      return { address: addressOf(resolved, server.port), close: server.close }
    },
    connect(address) {
      const { send } = undiciSend()
      return httpService(address, {
        send,
        pack,
        openStream,
        clock: runtime.clock,
        timers: runtime.timers,
        headers: () => ({}),
        timeout: 10_000,
      })
    },
  }
}

function addressOf({ advertise, tls, host }: ResolvedHttpOptions, port: number): string {
  return advertise ?? `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function ownHosts({ host, advertise }: ResolvedHttpOptions): string[] {
  return advertise === undefined ? [host] : [host, new URL(advertise).hostname]
}
