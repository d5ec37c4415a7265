import { type CoordinationStore, zookeeper } from '../../../zookeeper.js'

/** The database that stores without one of their own would use. */
const nothing = { load: async () => new Map<string, Uint8Array>(), save: async () => {} }

/** The path of one run in a ZooKeeper that others may use, too. */
export class DemoPath {
  /** For `zookeeper()`: the addresses, and the path of this run's cluster. */
  readonly cluster: string
  readonly #parent: string
  readonly #run: string

  /** `given`: addresses, perhaps with a path below which the demo stays. */
  constructor(given: string, run: string) {
    this.#parent = `${given.replace(/\/+$/, '')}/portal-mq-demo`
    this.#run = run
    this.cluster = `${this.#parent}/${run}`
  }

  /** Removes all that the cluster has left there. */
  async remove(): Promise<void> {
    const store = await zookeeper(this.#parent)({ persistence: nothing })
    try {
      await removeBelow(store, `/${this.#run}`)
    } finally {
      await store.close()
    }
  }
}

async function removeBelow(store: CoordinationStore, path: string): Promise<void> {
  for (const child of await store.children(path)) await removeBelow(store, `${path}/${child}`)
  await store.delete(path)
}
