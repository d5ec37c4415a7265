import type { ServerOptions as TlsOptions } from 'node:https'
import type { Logger } from '../../protocol/connection.js'
import { systemRuntime } from '../../runtime/system.js'
import type { Listener, Transport } from '../transport.js'
import { httpService } from './client/http-service.js'
import { openStream } from './client/receive-stream.js'
import { undiciSend } from './client/undici-send.js'
import { createDispatcher } from './dispatch.js'
import { listenNode } from './node-server.js'
import { pack } from './packing.js'
import { serviceRoutes } from './routes/routes.js'

export interface HttpOptions {
  /** 0: any that is free; `broker.url` says which. 0 to 65,535. */
  readonly port: number
  /** The address to listen at. Any but a loopback address needs `tls` and `auth`, or `insecure`. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** The URL under which others reach it. @default made of host and port */
  readonly advertise?: string | undefined
  /** Certificate and key, and whatever else `https.createServer` takes. @default none: plain HTTP */
  readonly tls?: TlsOptions | undefined
  /** Requests that fail in unforeseen ways. @default console, errors only */
  readonly logger?: Logger | undefined
}

/**
 * Makes a broker reachable over HTTP.
 *
 * @example
 * const broker = await createBroker({ directory: './data', transport: http({ port: 5000 }) })
 */
export function http(options: HttpOptions): Transport {
  const { host = '127.0.0.1', port, advertise, tls, logger = console } = options
  const runtime = systemRuntime()
  return {
    async listen(service): Promise<Listener> {
      const handler = createDispatcher(service, {
        routes: serviceRoutes,
        runtime,
        logger,
        maxBodyBytes: 32 << 20,
      })
      const server = await listenNode(handler, {
        host,
        port,
        tls,
        maxConnections: 10_000,
        maxHeaderBytes: 16_384,
        maxUrlLength: 4_096,
        headersTimeout: 10_000,
        requestTimeout: 60_000,
      })
      const address =
        advertise ?? `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${server.port}`
      return { address, close: () => server.close() }
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
