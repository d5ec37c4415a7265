import { join } from 'node:path'
import { zooKeeperEnsemble } from '../../../src/testing/zookeeper-ensemble.js'
import { type Actor, withActors } from './processes.js'

export interface BenchCluster {
  /** By broker id. */
  readonly brokers: ReadonlyMap<string, Actor>
  /** Where all are reached. */
  readonly urls: readonly string[]
  readonly client: Actor
}

/** Three brokers and a client, each a process, and a ZooKeeper server, for as long as `work` takes. */
export async function withCluster<T>(
  directory: string,
  work: (cluster: BenchCluster) => Promise<T>,
): Promise<T> {
  const ensemble = await zooKeeperEnsemble({ directory: join(directory, 'zookeeper') })
  try {
    return await withActors(4, async ([client, ...actors]) => {
      const brokers = new Map(actors.map((actor, at) => [`broker-${at + 1}`, actor]))
      const coordination = `${ensemble.addresses}/bench`
      const started = [...brokers].map(([id, actor]) =>
        actor.play('member', join(directory, id), id, coordination),
      )
      return await work({ brokers, urls: await Promise.all(started), client: client! })
    })
  } finally {
    await ensemble.close()
  }
}
