import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import type { HttpOptions } from '../../src/http.js'
import { freePorts } from '../../src/testing/free-ports.js'
import { type ZooKeeperEnsemble, zooKeeperEnsemble } from '../../src/testing/zookeeper-ensemble.js'
import { zookeeper } from '../../src/zookeeper.js'
import { BrokerProcess, type BrokerWord, brokerProgram } from './broker-process.js'
import { Relay } from './relay.js'

export interface FireOptions {
  /** @default 3 */
  readonly brokers?: number | undefined
  /** ZooKeeper servers. @default 3 */
  readonly servers?: number | undefined
  /** Milliseconds. @default 2,000 */
  readonly sessionTimeout?: number | undefined
  /** Milliseconds. @default 10,000 */
  readonly replicaLag?: number | undefined
  /** Where brokers and servers keep what they have. @default a temporary folder */
  readonly directory?: string | undefined
  readonly http?: Omit<HttpOptions, 'port' | 'advertise'> | undefined
}

/** A leader's first word about a partition. */
export interface Leadership {
  readonly broker: string
  readonly topic: string
  readonly partition: number
  readonly epoch: number
}

/**
 * Brokers as processes and a ZooKeeper ensemble, with a relay in every way between any two of them: from clients to each broker, from each broker
 * to each other, from each broker to each server.
 */
export class FireCluster {
  readonly directory: string
  readonly ensemble: ZooKeeperEnsemble
  readonly brokers: readonly BrokerProcess[]
  readonly sessionTimeout: number
  /** What clients connect to. */
  readonly urls: readonly string[]
  readonly leaderships: Leadership[] = []
  readonly #toBrokers: readonly Relay[]
  /** By broker that asks and broker that is asked. */
  readonly #between: readonly (readonly (Relay | undefined)[])[]
  /** By broker and server. */
  readonly #toServers: readonly (readonly Relay[])[]
  #watcher: CoordinationStore | undefined

  private constructor(
    directory: string,
    ensemble: ZooKeeperEnsemble,
    program: string,
    ports: readonly number[],
    relays: {
      readonly toBrokers: readonly Relay[]
      readonly between: readonly (readonly (Relay | undefined)[])[]
      readonly toServers: readonly (readonly Relay[])[]
    },
    options: FireOptions,
  ) {
    this.directory = directory
    this.ensemble = ensemble
    this.#toBrokers = relays.toBrokers
    this.#between = relays.between
    this.#toServers = relays.toServers
    this.sessionTimeout = options.sessionTimeout ?? 2_000
    this.urls = relays.toBrokers.map(({ address }) => `http://${address}`)
    this.brokers = ports.map((port, at) => {
      const config = {
        directory: join(directory, `broker-${at + 1}`),
        port,
        url: this.urls[at]!,
        relays: Object.fromEntries(
          this.urls.flatMap((url, to) =>
            to === at ? [] : [[url, `http://${relays.between[at]![to]!.address}`]],
          ),
        ),
        zookeeper: `${relays.toServers[at]!.map(({ address }) => address).join(',')}/fire`,
        sessionTimeout: this.sessionTimeout,
        replicaLag: options.replicaLag ?? 10_000,
        http: options.http,
      }
      return new BrokerProcess(`${at + 1}`, program, config, (word) => this.#hear(at, word))
    })
  }

  /** Starts everything. Resolves when all brokers serve. */
  static async open(options: FireOptions = {}): Promise<FireCluster> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'portal-mq-fire-')))
    const ensemble = await zooKeeperEnsemble({
      servers: options.servers ?? 3,
      tickTime: 500,
      directory: join(directory, 'zookeeper'),
    })
    const ports = await freePorts(options.brokers ?? 3)
    const targets = ports.map((port) => `127.0.0.1:${port}`)
    const relays = {
      toBrokers: await openAll(targets),
      between: await Promise.all(
        ports.map((_, from) =>
          Promise.all(targets.map((target, to) => (to === from ? undefined : Relay.open(target)))),
        ),
      ),
      toServers: await Promise.all(ports.map(() => openAll(ensemble.servers.map(({ address }) => address)))),
    }
    const cluster = new FireCluster(directory, ensemble, await brokerProgram(), ports, relays, options)
    try {
      await Promise.all(cluster.brokers.map((broker) => broker.start()))
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** The broker of this id. */
  byId(id: string | undefined): BrokerProcess | undefined {
    return this.brokers.find((broker) => broker.id === id)
  }

  /** Which broker is the controller, as ZooKeeper says. */
  async controller(): Promise<BrokerProcess | undefined> {
    const node = await (await this.#store()).read('/controller')
    if (!node) return undefined
    return this.byId((JSON.parse(new TextDecoder().decode(node.data)) as { broker?: string }).broker)
  }

  /** A partition's document, as ZooKeeper has it. */
  async partition(topicId: string, partition: number): Promise<PartitionNode> {
    const node = await (await this.#store()).read(`/partitions/${topicId}/${partition}`)
    return JSON.parse(new TextDecoder().decode(node!.data)) as PartitionNode
  }

  /** Times that a partition got another leader than its first. */
  get failovers(): number {
    const first = new Set<string>()
    const epochs = new Set<string>()
    for (const { topic, partition, epoch } of this.leaderships) {
      first.add(`${topic}/${partition}`)
      epochs.add(`${topic}/${partition}/${epoch}`)
    }
    return epochs.size - first.size
  }

  /** The way from clients to a broker. */
  toBroker(at: number): Relay {
    return this.#toBrokers[at]!
  }

  /** The way on which one broker asks another. */
  between(from: number, to: number): Relay {
    return this.#between[from]![to]!
  }

  /** All ways from a broker to ZooKeeper. */
  toServers(at: number): readonly Relay[] {
    return this.#toServers[at]!
  }

  /** All ways between a broker and the rest of the world. */
  around(at: number): Relay[] {
    const others = this.brokers.map((_, other) => other).filter((other) => other !== at)
    return [
      this.toBroker(at),
      ...this.toServers(at),
      ...others.flatMap((other) => [this.between(at, other), this.between(other, at)]),
    ]
  }

  /** Kills whatever still runs. */
  async close(): Promise<void> {
    await this.#watcher?.close().catch(() => {})
    await Promise.all(this.brokers.map((broker) => broker.kill()))
    await this.ensemble.close()
    const relays = [...this.#toBrokers, ...this.#between.flat(), ...this.#toServers.flat()]
    for (const relay of relays) relay?.close()
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  #hear(at: number, word: BrokerWord): void {
    if (word.said !== 'leader') return
    const { topic, partition, epoch } = word
    this.leaderships.push({ broker: this.brokers[at]!.name, topic, partition, epoch })
  }

  /** A session of our own, straight to the servers. */
  async #store(): Promise<CoordinationStore> {
    if (this.#watcher && !this.#watcher.session.lost.aborted) return this.#watcher
    const persistence = { load: async () => new Map<string, Uint8Array>(), save: async () => {} }
    this.#watcher = await zookeeper(`${this.ensemble.addresses}/fire`)({ persistence })
    return this.#watcher
  }
}

export interface PartitionNode {
  readonly leader: { readonly broker: string } | null
  readonly epoch: number
  readonly inSync: readonly { readonly broker: string }[]
}

function openAll(targets: readonly string[]): Promise<Relay[]> {
  return Promise.all(targets.map((target) => Relay.open(target)))
}
