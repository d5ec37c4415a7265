import { type BrokerOptions, PortalError } from '../../index.js'
import { zookeeperAt } from '../zookeeper.js'
import { flagOf, type ServeSettings } from './settings.js'

/** What makes a broker one of a cluster. */
export type ClusterPart = Pick<
  BrokerOptions,
  'coordination' | 'id' | 'replicas' | 'minInSync' | 'rack' | 'replicaLag' | 'replicationThrottledRate'
>

const ONLY_IN_CLUSTERS = [
  'zookeeperAuthFile',
  'sessionTimeout',
  'id',
  'rack',
  'replicas',
  'minInSync',
  'replicaLag',
  'replicationThrottledRate',
] as const

/** Nothing without --zookeeper: the broker is alone. Reads the file of ZooKeeper's user. Throws INVALID_ARGUMENT. */
export function clusterPart(settings: ServeSettings): ClusterPart {
  const { zookeeper: servers, sessionTimeout, id, rack, replicas, minInSync } = settings
  const { replicaLag, replicationThrottledRate } = settings
  if (servers === undefined) return notInCluster(settings)
  const coordination = zookeeperAt(servers, { sessionTimeout, authFile: settings.zookeeperAuthFile })
  return { coordination, id, rack, replicas, minInSync, replicaLag, replicationThrottledRate }
}

function notInCluster(settings: ServeSettings): ClusterPart {
  const given = ONLY_IN_CLUSTERS.find((name) => settings[name] !== undefined)
  if (given === undefined) return {}
  throw new PortalError(
    'INVALID_ARGUMENT',
    `${flagOf(given)} is for brokers of a cluster: give --zookeeper, too.`,
  )
}
