/**
 * portal-mq: a durable message queue inside your process.
 *
 * @module portal-mq
 */

export type { Broker } from './broker/broker.js'
export type { BrokerEvents, BrokerListeners } from './broker/events.js'
export * from './client.js'
export { type ClientTls, connect, type NodeConnectOptions } from './connect-node.js'
export { type BrokerOptions, createBroker } from './create-broker.js'
export {
  type BrokerExport,
  exportCluster,
  type RebuildOptions,
  type RebuildResult,
  rebuildCluster,
} from './rebuild-cluster.js'
export type { Listener, Transport } from './transport/transport.js'
