import { stat } from 'node:fs/promises'
import { exportBroker } from './broker/cluster/rebuild/export-broker.js'
import type { BrokerExport, ExportedBroker } from './broker/cluster/rebuild/exported.js'
import { mergeExports } from './broker/cluster/rebuild/merge-exports.js'
import { writeCluster } from './broker/cluster/rebuild/write-cluster.js'
import type { CoordinationAdapter } from './coordination/coordination.js'
import { PortalError } from './core/errors.js'
import { nodeRuntime } from './node-runtime.js'
import { openSqliteStorage } from './storage/sqlite/sqlite.js'

export type { BrokerExport } from './broker/cluster/rebuild/exported.js'

export interface RebuildOptions {
  /** An empty place: `zookeeper('localhost:2181/path')` of `portal-mq/zookeeper`. */
  readonly coordination: CoordinationAdapter
  /** Rebuild although so many replicas of a partition are missing that acknowledged messages may be. @default false */
  readonly allowLoss?: boolean | undefined
}

export interface RebuildResult {
  readonly clusterId: string
  readonly brokers: number
  readonly topics: number
  readonly partitions: number
  /** What may be missing, or was left out. */
  readonly warnings: readonly string[]
}

/**
 * What the directory of a broker knows of its cluster, for `rebuildCluster`: plain JSON. The broker must not run. Nothing is changed.
 *
 * Throws INVALID_ARGUMENT if there is no broker of a cluster in it; DIRECTORY_IN_USE while the broker runs; CORRUPT or STORAGE_FAILED when
 * the database cannot be read.
 */
export async function exportCluster(directory: string): Promise<BrokerExport> {
  const found = await stat(directory).catch(() => undefined)
  if (!found?.isDirectory())
    throw new PortalError('INVALID_ARGUMENT', `There is no directory ${directory}: give that of a broker.`)
  const { crc32 } = nodeRuntime()
  const storage = await openSqliteStorage({ directory })
  try {
    return await exportBroker(storage, crc32)
  } finally {
    await storage.close()
  }
}

/**
 * Makes a cluster's metadata anew, where the coordination service has lost it: topics, partitions, groups and how far they are, from the exports of all
 * brokers of the cluster. To be done while none of them runs. Locks are free afterwards, and their tokens higher than before; brokers that were
 * drained are not any more, and moves that were under way are not gone on with.
 *
 * Throws INVALID_ARGUMENT if the exports do not belong together, or there is a cluster; NOT_ENOUGH_REPLICAS if acknowledged messages may be missing,
 * unless `allowLoss` is given; DISCONNECTED while the coordination service is away: do it again.
 */
export async function rebuildCluster(
  exports: readonly BrokerExport[],
  { coordination, allowLoss = false }: RebuildOptions,
): Promise<RebuildResult> {
  const cluster = mergeExports(exports.map(checkExport))
  const { losses } = cluster
  if (losses.length > 0 && !allowLoss) {
    throw new PortalError(
      'NOT_ENOUGH_REPLICAS',
      `${losses.slice(0, 5).join(' ')}${losses.length > 5 ? ` And so it is with ${losses.length - 5} more.` : ''} Give the exports of more brokers, or allow the loss.`,
    )
  }
  const { random, clock } = nodeRuntime()
  const store = await coordination({ persistence: NOTHING })
  try {
    await writeCluster(cluster, { store, random, now: clock.now() })
  } finally {
    await store.close()
  }
  return {
    clusterId: cluster.clusterId,
    brokers: cluster.brokers.length,
    topics: cluster.topics.length,
    partitions: cluster.topics.reduce((sum, { partitions }) => sum + partitions.length, 0),
    warnings: [...losses, ...cluster.warnings],
  }
}

/** For stores that have no persistence of their own, which are not those of clusters. */
const NOTHING = { load: async () => new Map<string, Uint8Array>(), save: async () => {} }

function checkExport(given: BrokerExport): ExportedBroker {
  if (given?.format !== 'portal-mq broker export')
    throw new PortalError(
      'INVALID_ARGUMENT',
      'That is no export of a broker: "portal-mq cluster export" makes one.',
    )
  if (given.version !== 1)
    throw new PortalError(
      'UNSUPPORTED',
      `An export of version ${given.version} cannot be read by this portal-mq: use the one that made it.`,
    )
  return given as ExportedBroker
}
