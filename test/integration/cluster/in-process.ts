import { crc32 } from 'node:zlib'
import { Broker, type BrokerParts } from '../../../src/broker/broker.js'
import type { ClusterOptions } from '../../../src/broker/cluster/clustered.js'
import type { CoordinationStore } from '../../../src/coordination/coordination.js'
import { CoordinationTree } from '../../../src/coordination/tree.js'
import { systemRuntime } from '../../../src/runtime/system.js'
import { memoryStorage } from '../../../src/storage/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { inProcess } from '../../../src/transport/in-process.js'

const nothing = () => {}
const quiet = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** A cluster in this process: real brokers over the in-process transport, one coordination tree, storages in memory. */
export class InProcessCluster {
  readonly tree: CoordinationTree
  readonly storages = new Map<string, Storage>()
  readonly brokers = new Map<string, Broker>()
  readonly stores = new Map<string, CoordinationStore>()
  readonly errors: unknown[] = []
  readonly transport = inProcess()

  private constructor(tree: CoordinationTree) {
    this.tree = tree
  }

  static async open(
    names: readonly string[],
    options: Partial<ClusterOptions> = {},
  ): Promise<InProcessCluster> {
    const nodes = { load: async () => new Map<string, Uint8Array>(), save: async () => {} }
    const cluster = new InProcessCluster(await CoordinationTree.open(nodes))
    for (const name of names) await cluster.start(name, options)
    return cluster
  }

  async start(name: string, options: Partial<ClusterOptions> = {}): Promise<Broker> {
    const storage = this.storages.get(name) ?? memoryStorage({ crc32 })
    this.storages.set(name, storage)
    const parts: BrokerParts = {
      storage,
      openCoordination: async () => {
        const store = this.tree.connect()
        this.stores.set(name, store)
        return store
      },
      cluster: { replicas: 3, replicaLag: 2_000, ...options },
      local: inProcess(),
      remote: this.transport,
      runtime: systemRuntime({ crc32 }),
      logger: quiet,
      autoCreateTopics: true,
      cacheBytes: 1 << 20,
    }
    const broker = await Broker.open(parts)
    broker.on('error', (error) => this.errors.push(error))
    this.brokers.set(name, broker)
    return broker
  }

  async close(): Promise<void> {
    await Promise.all([...this.brokers.values()].map((broker) => broker.close()))
  }
}
