/**
 * HTTP: a broker that others reach, and connections to one.
 *
 * @packageDocumentation
 */
import { type ConnectOptions, checkConnectOptions, RemoteConnection } from './connect.js'
import { type ClientTls, undiciSend } from './transport/http/client/undici-send.js'

export type { ConnectionEvents, ConnectionListeners, ConnectOptions } from './connect.js'
export { RemoteConnection } from './connect.js'
export type { ClientTls } from './transport/http/client/undici-send.js'
export { type HttpOptions, http } from './transport/http/http.js'
export type { Listener, Transport } from './transport/transport.js'

export interface NodeConnectOptions extends ConnectOptions {
  /** What to trust, and who to be, for https: URLs. @default the system's certificates */
  readonly tls?: ClientTls | undefined
}

/**
 * Connects to a broker, at one of several addresses. It returns at once: the first call connects.
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
  const { tls, ...rest } = options
  return new RemoteConnection(urls, rest, undiciSend(tls))
}
