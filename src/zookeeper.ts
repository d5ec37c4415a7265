/**
 * ZooKeeper: what makes several brokers one cluster.
 *
 * @packageDocumentation
 */
export type * from './coordination/coordination.js'
export type {
  ZooKeeperAuth,
  ZooKeeperClientKind,
  ZooKeeperOptions,
} from './coordination/zookeeper/options.js'
export { zookeeper } from './coordination/zookeeper/zookeeper.js'
