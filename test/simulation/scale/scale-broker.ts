import { Broker } from '../../../src/broker/broker.js'
import type { PeerService } from '../../../src/protocol/peer-service.js'
import type { BrokerService } from '../../../src/protocol/service.js'
import type { Calls } from '../calls.js'
import { clusterTransport, localTransport } from '../cluster-transport.js'
import { connectCoordination } from '../coordination.js'
import { CoordinationLink } from '../coordination-connection.js'
import { Disk } from '../disk.js'
import type { Ensemble } from '../ensemble.js'
import type { Life } from '../life.js'
import type { Scheduler } from '../scheduler.js'
import type { Trace } from '../trace.js'
import { countedStore } from './counted-store.js'
import { noUsage } from './usage.js'

export interface Services {
  readonly service: BrokerService
  readonly peers: PeerService | undefined
}

export interface ScaleBrokerParts {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly ensemble: Ensemble
  readonly calls: Calls<Services>
  readonly sessionTimeout: number
  readonly replicaLag: number
  /** What happens from now on, until the next step, is of this broker's doing. */
  readonly acts: (broker: ScaleBroker) => void
  /** It leads a partition: its first entry there is committed. */
  readonly leads: (log: string, epoch: number) => void
  readonly failed: (error: unknown) => void
}

/** A broker on a sound machine, and what it uses. */
export class ScaleBroker {
  readonly name: string
  readonly usage = noUsage()
  readonly #parts: ScaleBrokerParts
  readonly #rack: string
  readonly #disk: Disk
  #life: Life | undefined
  #broker: Broker | undefined
  #cutOff: () => void = () => {}
  #unlisten: (() => void)[] = []

  constructor(name: string, rack: string, parts: ScaleBrokerParts) {
    this.name = name
    this.#rack = rack
    this.#parts = parts
    this.#disk = new Disk(parts.scheduler, parts.trace, { written: () => {} })
  }

  /** Undefined while it is down. */
  get broker(): Broker | undefined {
    return this.#broker
  }

  async open(): Promise<void> {
    const { scheduler, ensemble, calls, sessionTimeout, replicaLag, acts, leads, failed } = this.#parts
    const life = scheduler.life()
    const enter = life.enter.bind(life)
    life.enter = (callback) =>
      enter(() => {
        acts(this)
        callback()
      })
    this.#life = life
    const { storage, cutOff } = this.#disk.open(() => life.awake())
    this.#cutOff = cutOff
    const broker = await Broker.open({
      storage,
      id: this.name,
      cluster: { rack: this.#rack, replicas: 3, replicaLag, replicationThrottledRate: 32 << 20 },
      openCoordination: async () => {
        const link = new CoordinationLink(this.name)
        const session = { scheduler, ensemble, link, life, timeout: sessionTimeout }
        return countedStore(await connectCoordination(session), this.usage)
      },
      local: localTransport(),
      remote: this.#transport(life, calls),
      runtime: life.runtime,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      autoCreateTopics: false,
      cacheBytes: 1 << 20,
    })
    if (!life.alive()) return
    this.#broker = broker
    broker.on('error', failed)
    broker.on('leader', ({ topic, partition, epoch }) => leads(`${topic}/${partition}`, epoch))
  }

  /** Stops as a signal would have it. */
  async close(): Promise<void> {
    await this.#broker?.close()
    this.kill()
  }

  /** The process is gone. */
  kill(): void {
    this.#life?.end()
    this.#life = undefined
    this.#broker = undefined
    this.#cutOff()
    this.#cutOff = () => {}
    for (const end of this.#unlisten.splice(0)) end()
  }

  #transport(life: Life, calls: Calls<Services>) {
    const { name, usage } = this
    return clusterTransport({
      name,
      life,
      calls,
      answered: (_to, method, _request, _answer, bytes) => {
        usage.requests++
        if (method === 'fetch') usage.fetches++
        usage.bytes += bytes
      },
      listening: (services) => {
        const end = calls.listen(name, life, services)
        this.#unlisten.push(end)
        return end
      },
    })
  }
}
