/**
 * For tests of what is built on portal-mq, and of adapters: virtual time, a proxy that spoils
 * connections, ZooKeeper servers to start and kill, and the suites that every adapter passes.
 *
 * @module portal-mq/testing
 */
export {
  type CoordinationConformanceCase,
  type CoordinationConformanceOptions,
  coordinationConformance,
  type ExpireSession,
  type InterruptSession,
  type OpenCoordination,
} from './coordination/conformance.js'
export type * from './coordination/coordination.js'
export { ENTRY_KINDS, type EntryKind, type StoredEntry } from './core/entry.js'
export type * from './protocol/peer-service.js'
export { type VirtualRuntime, type VirtualRuntimeOptions, virtualRuntime } from './runtime/virtual.js'
export {
  type OpenStorage,
  type StorageConformanceCase,
  type StorageConformanceOptions,
  storageConformance,
} from './storage/conformance.js'
export type * from './storage/storage.js'
export {
  type Fault,
  type FaultProxy,
  type FaultProxyOptions,
  type FaultReport,
  type FaultyRequest,
  faultProxy,
} from './testing/fault-proxy.js'
export { findZooKeeper } from './testing/find-zookeeper.js'
export {
  type ZooKeeperEnsemble,
  type ZooKeeperEnsembleOptions,
  zooKeeperEnsemble,
} from './testing/zookeeper-ensemble.js'
export type { ZooKeeperServer } from './testing/zookeeper-server.js'
export {
  type OpenTransport,
  type TransportConformanceCase,
  type TransportConformanceOptions,
  transportConformance,
} from './transport/conformance.js'
export type * from './transport/transport.js'
