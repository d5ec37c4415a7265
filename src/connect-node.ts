import { crc32 } from 'node:zlib'
import { type ConnectOptions, checkConnectOptions, RemoteConnection } from './connect.js'
import { learnLeaders } from './connect-cluster.js'
import { streams } from './connect-streams.js'
import { systemRuntime } from './runtime/system.js'
import type { Send } from './transport/http/client/send.js'
import type { ClientTls, UndiciSend } from './transport/http/client/undici-send.js'

export type { ClientTls }

export interface NodeConnectOptions extends ConnectOptions {
  /** What to trust, and who to be, for https: URLs. @default the system's certificates */
  readonly tls?: ClientTls | undefined
}

/**
 * Connects to a broker, at one of several addresses, over connections that are kept. It returns at once: the first call connects.
 *
 * Throws INVALID_ARGUMENT for what is no URL.
 *
 * @example
 * const remote = connect('http://localhost:5000', { token: process.env.PORTAL_MQ_TOKEN })
 * await new Producer(remote).send('orders', { id: 1 })
 */
export function connect(
  urls: string | readonly string[],
  options: NodeConnectOptions = {},
): RemoteConnection {
  checkConnectOptions(options, ['tls'])
  const { tls, runtime = systemRuntime({ crc32 }), ...rest } = options
  let carrier: Promise<UndiciSend> | undefined
  // Loaded by the first call: whoever embeds a broker and never connects needs none of it. Those that come later do not wait.
  let send: Send = async (request) => {
    carrier ??= import('./transport/http/client/undici-send.js').then(({ undiciSend }) => undiciSend(tls))
    send = (await carrier).send
    return send(request)
  }
  const loadPacking = () => import('./transport/http/packing.js')
  return new RemoteConnection(
    urls,
    { ...rest, runtime },
    {
      streams,
      learn: learnLeaders,
      pack: async (records, compression) => (await loadPacking()).pack(records, compression),
      send: (request) => send(request),
      close: async () => (await carrier)?.close(),
    },
  )
}
