import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPortalError, PortalError } from '../../../index.js'
import type { ZooKeeperEnsemble } from '../../../testing.js'
import { BrokerProcess } from './broker-process.js'
import { DemoPath } from './demo-path.js'

/** Twice to twenty times as much is what the server grants to sessions (ms). */
const TICK = 500
/** Short, so that nobody has to wait long for the new leader (ms). Servers of one's own want more: docs/cluster.md. */
const SESSION = 2_000

/** Where the demo takes place: ZooKeeper, three processes, a temporary folder. */
export class Site {
  readonly brokers: readonly BrokerProcess[]
  readonly #directory: string
  readonly #ensemble: ZooKeeperEnsemble | undefined
  readonly #path: DemoPath | undefined

  private constructor(
    directory: string,
    servers: ZooKeeperEnsemble | DemoPath,
    onLeader: (broker: BrokerProcess, topic: string, epoch: number) => void,
  ) {
    this.#directory = directory
    this.#ensemble = servers instanceof DemoPath ? undefined : servers
    this.#path = servers instanceof DemoPath ? servers : undefined
    const zookeeper = servers instanceof DemoPath ? servers.cluster : `${servers.addresses}/portal-mq-demo`
    this.brokers = ['1', '2', '3'].map((name) => {
      const settings = {
        directory: join(directory, `broker-${name}`),
        zookeeper,
        sessionTimeout: SESSION,
        rack: name,
      }
      return new BrokerProcess(name, settings, onLeader)
    })
    process.on('exit', this.#abandon)
  }

  /**
   * Starts ZooKeeper, or uses what is at `given`. The brokers do not run yet. Rejects with UNSUPPORTED, saying what to install, where ZooKeeper is missing.
   */
  static async open(
    given: string | undefined,
    run: string,
    onLeader: (broker: BrokerProcess, topic: string, epoch: number) => void,
  ): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), 'portal-mq-demo-'))
    try {
      if (given !== undefined) return new Site(directory, new DemoPath(given, run), onLeader)
      // Loaded here alone: other commands need no servers.
      const { zooKeeperEnsemble } = await import('../../../testing.js')
      const ensemble = await zooKeeperEnsemble({ directory: join(directory, 'zookeeper'), tickTime: TICK })
      return new Site(directory, ensemble, onLeader)
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      if (!isPortalError(error, 'UNSUPPORTED')) throw error
      throw new PortalError(
        'UNSUPPORTED',
        `${error.message} Or name one that runs: --zookeeper localhost:2181.`,
      )
    }
  }

  /** Ends all processes, and takes away what they left. */
  async close(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()))
    await this.#path?.remove().catch(() => {})
    await this.#ensemble?.close()
    await rm(this.#directory, { recursive: true, force: true })
    process.off('exit', this.#abandon)
  }

  /** The process ends before its time: there is no later. */
  readonly #abandon = () => {
    for (const broker of this.brokers) broker.kill()
    for (const { pid } of this.#ensemble?.servers ?? []) if (pid !== undefined) process.kill(pid, 'SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}
