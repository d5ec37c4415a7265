/**
 * HTTP: a broker that others reach, and connections to one.
 *
 * @packageDocumentation
 */
export type { ConnectionEvents, ConnectionListeners, ConnectOptions, RemoteConnection } from './connect.js'
export { type ClientTls, connect, type NodeConnectOptions } from './connect-node.js'
export { type HttpOptions, http } from './transport/http/http.js'
export type { Listener, Transport } from './transport/transport.js'
