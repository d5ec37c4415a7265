/**
 * portal-mq: a durable message queue inside your process.
 *
 * @packageDocumentation
 */

import { checkConnectOptions, RemoteConnection } from './connect.js'
import type { NodeConnectOptions } from './http.js'
import type { UndiciSend } from './transport/http/client/undici-send.js'

export type { Broker } from './broker/broker.js'
export type { BrokerEvents, BrokerListeners } from './broker/events.js'
export * from './client.js'
export { type BrokerOptions, createBroker } from './create-broker.js'
export type { NodeConnectOptions } from './http.js'
export type { ClientTls } from './transport/http/client/undici-send.js'
export type { Listener, Transport } from './transport/transport.js'

/** The same as in `portal-mq/http`; what carries it is loaded by the first call, for whoever embeds a broker needs none of it. */
export function connect(
  urls: string | readonly string[],
  options: NodeConnectOptions = {},
): RemoteConnection {
  checkConnectOptions(options, ['tls'])
  const { tls, ...rest } = options
  let carrier: Promise<UndiciSend> | undefined
  const load = () => {
    carrier ??= import('./transport/http/client/undici-send.js').then(({ undiciSend }) => undiciSend(tls))
    return carrier
  }
  return new RemoteConnection(urls, rest, {
    send: async (request) => (await load()).send(request),
    close: async () => (await carrier)?.close(),
  })
}
