import { seededRandom } from '../../../src/runtime/virtual.js'
import type { BrokerProcess } from '../../torture/broker-process.js'
import type { FireCluster } from '../../torture/fire-cluster.js'
import { Load, type LoadOptions } from '../../torture/load.js'

/** Milliseconds that a machine with few cores may need beyond what is promised, with brokers, servers and clients all on it. */
export const SLACK = 4_000
/** Milliseconds within which whatever was broken must be whole again. */
export const RECOVERY = 60_000

/** Runs producers and consumers while `act` does its worst; then everything must be there, once, in order and settled. Returns what broke. */
export async function underLoad(
  cluster: FireCluster,
  options: Omit<LoadOptions, 'urls' | 'random'>,
  act: (load: Load) => Promise<void>,
): Promise<readonly string[]> {
  const random = seededRandom(1)
  const load = new Load({ rate: 40, ...options, urls: cluster.urls, random: () => random.float() })
  try {
    await load.start()
    await load.untilInSync(RECOVERY)
    await act(load)
    await load.untilInSync(RECOVERY)
    await load.finish(RECOVERY)
    return load.ledger.violations
  } finally {
    await load.close()
  }
}

/** Who leads a partition, as the brokers say. */
export async function leaderOf(cluster: FireCluster, load: Load, partition: number): Promise<BrokerProcess> {
  const { partitions } = await load.admin.describeTopic(load.topic)
  return cluster.byId(partitions[partition]!.leader?.id)!
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
