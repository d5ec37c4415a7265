import { crc32 } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { Broker, type BrokerParts } from '../../../src/broker/broker.js'
import type { ClusterOptions } from '../../../src/broker/cluster/cluster-options.js'
import { nodePersistence } from '../../../src/broker/node-persistence.js'
import type { CoordinationStore } from '../../../src/coordination/coordination.js'
import { inProcessCoordination } from '../../../src/coordination/memory.js'
import { CoordinationTree } from '../../../src/coordination/tree.js'
import { PortalError } from '../../../src/core/errors.js'
import { systemRuntime } from '../../../src/runtime/system.js'
import { memoryStorage } from '../../../src/storage/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { inProcess } from '../../../src/transport/in-process.js'
import type { Transport } from '../../../src/transport/transport.js'

const nothing = () => {}
const quiet = { debug: nothing, info: nothing, warn: nothing, error: nothing }

const NOTHING = { load: async () => new Map<string, Uint8Array>(), save: async () => {} }

/** How long anything may take to become true (ms). */
const PATIENCE = 20_000

/** A cluster in this process: real brokers over the in-process transport, one coordination tree, storages in memory. */
export class InProcessCluster {
  tree: CoordinationTree
  readonly storages = new Map<string, Storage>()
  readonly brokers = new Map<string, Broker>()
  readonly stores = new Map<string, CoordinationStore>()
  readonly errors: unknown[] = []
  /** Brokers whose next session is lost when they first ask for something. */
  readonly tooBusy = new Set<string>()
  /** Bytes that are free on a broker's disk; as many as anybody wants where nothing is said. */
  readonly free = new Map<string, number>()
  readonly #network = inProcess()
  /** Brokers whom nobody reaches, and who reach nobody. */
  readonly #cut = new Set<string>()
  readonly #options: Partial<ClusterOptions>

  private constructor(tree: CoordinationTree, options: Partial<ClusterOptions>) {
    this.tree = tree
    this.#options = options
  }

  /** It is closed when the test has finished. */
  static async open(
    names: readonly string[],
    options: Partial<ClusterOptions> = {},
  ): Promise<InProcessCluster> {
    const cluster = new InProcessCluster(await CoordinationTree.open(NOTHING), options)
    onTestFinished(() => cluster.close())
    for (const name of names) await cluster.start(name)
    return cluster
  }

  /** Starts a broker, on its disk if it has one. */
  async start(name: string, options: Partial<ClusterOptions> = {}): Promise<Broker> {
    const broker = await Broker.open({
      ...this.#partsOf(name),
      openCoordination: async () => {
        this.#check(name)
        const store = this.tree.connect()
        this.stores.set(name, store)
        return this.tooBusy.delete(name) ? this.#lostAtFirst(store) : store
      },
      openOwnCoordination,
      cluster: {
        replicas: 3,
        replicaLag: 1_000,
        replicationThrottledRate: 32 << 20,
        ...this.#options,
        ...options,
      },
      remote: this.#transportOf(name),
    })
    broker.on('error', (error) => this.errors.push(error))
    this.brokers.set(name, broker)
    return broker
  }

  /** Starts a broker that is alone, on its disk if it has one. Whoever starts it closes it. */
  startAlone(name: string): Promise<Broker> {
    return Broker.open({ ...this.#partsOf(name), openCoordination: openOwnCoordination })
  }

  /** Nobody reaches the broker any more, and it reaches nobody; its session lives. */
  isolate(name: string): void {
    this.#cut.add(name)
  }

  /** It is reached again. */
  reconnect(name: string): void {
    this.#cut.delete(name)
  }

  /** It is isolated, and its session ends. */
  async cutOff(name: string): Promise<void> {
    this.isolate(name)
    await this.tree.expire(this.stores.get(name)!)
  }

  /** The coordination service loses all it has, and every session; or has what it had at another time. */
  async replaceCoordination(tree?: CoordinationTree): Promise<void> {
    const before = this.tree
    this.tree = tree ?? (await CoordinationTree.open(NOTHING))
    await Promise.all([...this.stores.values()].map((store) => before.expire(store)))
  }

  /** What a broker has stored: log -> values of its entries, as text. */
  logs = async (name: string): Promise<Record<string, string[]>> => {
    const storage = this.storages.get(name)!
    const found: Record<string, string[]> = {}
    for (const log of (await storage.logs()).sort()) {
      const entries = await storage.read(log, { from: 0, maxBytes: 1 << 30, kinds: 'messages' })
      found[log] = entries.map(
        ({ index, epoch, payload }) => `${index} ${epoch} ${Buffer.from(payload).toString('hex')}`,
      )
    }
    return found
  }

  /** Tries again and again until the check does not throw any more. */
  until = async (check: () => Promise<void>): Promise<void> => {
    const end = Date.now() + PATIENCE
    for (;;) {
      try {
        return await check()
      } catch (error) {
        if (Date.now() > end) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async close(): Promise<void> {
    this.#cut.clear()
    await Promise.all([...this.brokers.values()].map((broker) => broker.close()))
  }

  #lostAtFirst(store: CoordinationStore): CoordinationStore {
    const read = store.read.bind(store)
    store.read = async (path) => {
      await this.tree.expire(store)
      return read(path)
    }
    return store
  }

  #partsOf(name: string): Omit<BrokerParts, 'openCoordination'> {
    const storage = this.storages.get(name) ?? memoryStorage({ crc32 })
    this.storages.set(name, storage)
    return {
      storage: keptOpen(storage, () => this.free.get(name)),
      id: name,
      local: inProcess(),
      runtime: systemRuntime({ crc32 }),
      logger: quiet,
      autoCreateTopics: true,
      cacheBytes: 1 << 20,
    }
  }

  #check(name: string): void {
    if (this.#cut.has(name)) throw new PortalError('DISCONNECTED', `${name} is cut off.`)
  }

  #transportOf(name: string): Transport {
    const network = this.#network
    const guarded = <T extends object>(service: T): T =>
      Object.fromEntries(
        Object.entries(service).map(([method, call]) => [
          method,
          (...args: unknown[]) => {
            if (this.#cut.has(name))
              return Promise.reject(new PortalError('DISCONNECTED', `${name} is cut off.`))
            return (call as (...args: unknown[]) => unknown)(...args)
          },
        ]),
      ) as T
    return {
      listen: (service, peers) => network.listen(guarded(service), peers && guarded(peers)),
      connect: (address) => guarded(network.connect(address)),
      connectForwarding: (address) => guarded(network.connectForwarding(address)),
      connectPeer: (address) => guarded(network.connectPeer(address)),
    }
  }
}

function openOwnCoordination(storage: Storage): Promise<CoordinationStore> {
  return inProcessCoordination()({ persistence: nodePersistence(storage) })
}

/** A disk outlives the broker that it was given to. */
function keptOpen(storage: Storage, free: () => number | undefined): Storage {
  return {
    commit: (...args) => storage.commit(...args),
    logs: () => storage.logs(),
    read: (...args) => storage.read(...args),
    readSnapshot: (log) => storage.readSnapshot(log),
    pageIds: (log) => storage.pageIds(log),
    readMeta: (prefix) => storage.readMeta(prefix),
    space: async () => {
      const space = await storage.space()
      return { ...space, freeBytes: free() ?? space.freeBytes }
    },
    makeRoom: (bytes) => storage.makeRoom(bytes),
    onFailure: (listener) => storage.onFailure(listener),
    close: async () => {},
  }
}

/** 0, 1, … */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
