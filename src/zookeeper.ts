/**
 * ZooKeeper: what makes several brokers one cluster.
 *
 * @module portal-mq/zookeeper
 */
export type * from './coordination/coordination.js'
export type {
  ZooKeeperAuth,
  ZooKeeperClientKind,
  ZooKeeperOptions,
} from './coordination/zookeeper/options.js'
export { zookeeper } from './coordination/zookeeper/zookeeper.js'
