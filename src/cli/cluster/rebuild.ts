import { readFileSync } from 'node:fs'
import { type BrokerExport, exportCluster, PortalError, rebuildCluster } from '../../index.js'
import type { Target } from '../open.js'
import { zookeeperAt } from '../zookeeper.js'

/** Prints what a broker's directory knows of its cluster. */
export async function exportBroker({ directory, url }: Target): Promise<void> {
  if (url !== undefined || directory === undefined)
    throw new PortalError('INVALID_ARGUMENT', 'Give the --directory of a broker that is stopped.')
  process.stdout.write(`${JSON.stringify(await exportCluster(directory), undefined, 2)}\n`)
}

interface Rebuild {
  readonly zookeeper?: string
  readonly zookeeperAuthFile?: string
  readonly allowLoss?: boolean
}

/** Makes the cluster's metadata anew, from the exports of its brokers. */
export async function rebuild(
  files: readonly string[],
  { zookeeper, zookeeperAuthFile, allowLoss }: Rebuild,
): Promise<void> {
  if (zookeeper === undefined)
    throw new PortalError('INVALID_ARGUMENT', 'Give --zookeeper, as to the brokers: host:2181,…/path.')
  const exports = files.map(readExport)
  const coordination = zookeeperAt(zookeeper, { authFile: zookeeperAuthFile })
  const { clusterId, brokers, topics, partitions, warnings } = await rebuildCluster(exports, {
    coordination,
    allowLoss,
  })
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
  process.stdout.write(
    `Cluster ${clusterId}: ${topics} topics with ${partitions} partitions on ${brokers} brokers. Start them.\n`,
  )
}

function readExport(path: string): BrokerExport {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as BrokerExport
  } catch (cause) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `${path} is no export of a broker: ${(cause as Error).message}`,
      { cause },
    )
  }
}
