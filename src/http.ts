/**
 * HTTP: a broker that others reach, and connections to one.
 *
 * @module portal-mq/http
 */
export type { ConnectionEvents, ConnectionListeners, ConnectOptions, RemoteConnection } from './connect.js'
export { type ClientTls, connect, type NodeConnectOptions } from './connect-node.js'
export type { HttpAuth, HttpToken } from './transport/http/auth.js'
export type { HttpCluster } from './transport/http/cluster.js'
export type { HttpCors } from './transport/http/cors.js'
export { http } from './transport/http/http.js'
export type { HttpOptions } from './transport/http/http-options.js'
export type { HttpLimits } from './transport/http/limits.js'
export { type NodeHandler, toNodeHandler } from './transport/http/node-handler.js'
export type { HttpRule } from './transport/http/rules.js'
export { createHandler, type HandlerOptions, type WebHandler } from './transport/http/web-handler.js'
export type { Listener, Transport } from './transport/transport.js'
