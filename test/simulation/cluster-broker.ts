import { Broker } from '../../src/broker/broker.js'
import { isPortalError, type PortalError } from '../../src/core/errors.js'
import type { Logger } from '../../src/protocol/connection.js'
import type { FetchRequest, FetchResponse, PeerService } from '../../src/protocol/peer-service.js'
import type { BrokerService } from '../../src/protocol/service.js'
import type { MemoryDatabase } from '../../src/storage/memory-database.js'
import { AskedEpochs } from './asked-epochs.js'
import type { Calls } from './calls.js'
import type { ClusterAudit } from './cluster-audit.js'
import { clusterTransport, localTransport } from './cluster-transport.js'
import { connectCoordination } from './coordination.js'
import { CoordinationLink } from './coordination-connection.js'
import { Disk } from './disk.js'
import type { Ensemble } from './ensemble.js'
import type { Life, WallClock } from './life.js'
import type { PeerWatcher } from './peers.js'
import type { Scheduler } from './scheduler.js'
import type { Trace } from './trace.js'
import { check, Violation } from './violation.js'

/** What listens at a broker's address. */
export interface Services {
  readonly service: BrokerService
  readonly peers: PeerService | undefined
}

export interface ClusterBrokerParts {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly audit: ClusterAudit
  readonly ensemble: Ensemble
  /** Between brokers. */
  readonly calls: Calls<Services>
  /** From clients to brokers. */
  readonly doors: Calls<Services>
  /** Milliseconds of silence after which the coordination service ends a broker's session. */
  readonly sessionTimeout: number
  /** Milliseconds that a replica may be behind and be in sync. */
  readonly replicaLag: number
  /** Bytes a second that those behind fetch at most. */
  readonly throttledRate: number
  /** An error event, or why it did not open. */
  readonly sees: (broker: ClusterBroker, error: PortalError) => void
}

/** A machine with its disk, its clock and its links; and the broker that lives there, dies, and comes back. */
export class ClusterBroker {
  readonly name: string
  readonly link: CoordinationLink
  readonly clock: WallClock = { offset: 0 }
  readonly #rack: string
  readonly #parts: ClusterBrokerParts
  #disk!: Disk
  #watcher!: ReturnType<ClusterAudit['watch']>
  #databases = 0
  readonly #asked = new AskedEpochs()
  /** What was on the disk when the life before the last was open, and the last. */
  #older: MemoryDatabase | undefined
  #last: MemoryDatabase | undefined
  /** What is on the disk is an old copy. */
  #isOldCopy = false
  #life: Life | undefined
  #broker: Broker | undefined
  #cutOff: () => void = () => {}
  #died: () => void = () => {}
  #unlisten: (() => void)[] = []
  /** It has ended by itself: whoever runs it starts it again. */
  hasEnded = false
  /** It is not started: it was not bought yet, or is to be forgotten. */
  isAway = false
  lives = 0

  constructor(name: string, rack: string, parts: ClusterBrokerParts) {
    this.name = name
    this.#rack = rack
    this.link = new CoordinationLink(name)
    this.#parts = parts
    this.#newDisk()
  }

  get disk(): Disk {
    return this.#disk
  }

  get life(): Life | undefined {
    return this.#life
  }

  get isUp(): boolean {
    return this.#broker !== undefined
  }

  /** Opens it; false if it did not within `limit` ms, or said no. Rejects if it should not have said that. */
  async open(limit: number): Promise<boolean> {
    const { scheduler, trace } = this.#parts
    this.lives++
    this.hasEnded = false
    const life = scheduler.life(this.clock)
    this.#life = life
    trace.line(`${this.name} opens for the ${this.lives}. time`)
    const opened = await Promise.race([
      this.#openBroker(life).then(
        (broker) => ({ broker }),
        (error: unknown) => ({ error }),
      ),
      scheduler.sleep(limit).then(() => undefined),
      new Promise<undefined>((resolve) => {
        this.#died = () => resolve(undefined)
      }),
    ])
    if (!life.alive()) return false
    if (!opened) {
      trace.line(`${this.name} does not open in ${Math.round(limit)} ms`)
      return false
    }
    if ('error' in opened) {
      const { error } = opened
      if (!isPortalError(error))
        throw new Violation(`${this.name} did not open: ${String((error as Error)?.stack ?? error)}`)
      trace.line(`${this.name} does not open: ${error.code} ${error.message}`)
      this.#parts.sees(this, error)
      if (this.#isOldCopy && error.code === 'CORRUPT') this.#refused()
      return false
    }
    const { broker } = opened
    check(!this.#isOldCopy, () => `[9] ${this.name} is open with an old copy of its database`)
    this.#older = this.#last
    this.#last = this.#disk.view.clone()
    this.#broker = broker
    broker.on('error', (error) => {
      if (!life.alive()) return
      trace.line(`${this.name} error event: ${error.code} ${error.message}`)
      this.#parts.sees(this, error)
    })
    broker.on('close', () => {
      this.hasEnded = true
    })
    trace.line(`${this.name} is open`)
    return true
  }

  /** Stops it as a signal would; it may take long. */
  async close(): Promise<void> {
    this.#parts.trace.line(`${this.name} closes`)
    try {
      await this.#broker?.close()
    } catch (error) {
      if (!isPortalError(error)) throw error
      this.#parts.sees(this, error)
    }
  }

  /** The process is gone. With `power` the machine lost power. */
  die(power: boolean): void {
    const { trace } = this.#parts
    this.#life?.end()
    this.#died()
    this.#life = undefined
    this.#broker = undefined
    this.#cutOff()
    for (const end of this.#unlisten.splice(0)) end()
    if (power) trace.line(`${this.name} loses power: ${this.#disk.losePower()} groups lost`)
    else trace.line(`${this.name} dies`)
    this.#watcher.restarted()
  }

  /** Its disk is replaced by an empty one. */
  wipe(): void {
    this.#parts.trace.line(`${this.name} loses its disk`)
    this.#watcher.wiped()
    this.#newDisk()
    this.#older = undefined
    this.#last = undefined
    this.#isOldCopy = false
  }

  /** Somebody puts back what was on its disk two lives ago. Returns whether there is that. */
  putBack(): boolean {
    const copy = this.#older
    if (!copy) return false
    this.#parts.trace.line(`${this.name} gets back an old copy of its disk`)
    this.#watcher.wiped()
    this.#newDisk(copy)
    this.#isOldCopy = true
    return true
  }

  /** It is told, now or after some more tries, that it has to begin anew. */
  #refused(): void {
    if (this.#parts.scheduler.chance(0.3)) this.wipe()
  }

  #newDisk(content?: MemoryDatabase): void {
    const { scheduler, trace, audit } = this.#parts
    const watcher = audit.watch(`${this.name}${"'".repeat(this.#databases++)}`, () => disk)
    const disk: Disk = new Disk(scheduler, trace, watcher, content)
    this.#watcher = watcher
    this.#disk = disk
  }

  async #openBroker(life: Life): Promise<Broker> {
    const { scheduler, audit, ensemble, sessionTimeout, replicaLag, throttledRate, calls, doors } =
      this.#parts
    const { storage, cutOff } = this.#disk.open(() => life.awake())
    this.#cutOff = cutOff
    const transport = clusterTransport({
      name: this.name,
      life,
      calls,
      answered: this.#watched,
      listening: (told) => {
        const services = { ...told, service: audit.refusals.watch(this.name, told.service) }
        const ends = [calls.listen(this.name, life, services), doors.listen(this.name, life, services)]
        const end = () => {
          for (const one of ends) one()
        }
        this.#unlisten.push(end)
        return end
      },
    })
    return Broker.open({
      storage,
      id: this.name,
      cluster: { rack: this.#rack, replicas: 3, replicaLag, replicationThrottledRate: throttledRate },
      openCoordination: () =>
        connectCoordination({ scheduler, ensemble, link: this.link, life, timeout: sessionTimeout }),
      local: localTransport(),
      remote: transport,
      runtime: life.runtime,
      logger: this.#logger(life),
      autoCreateTopics: true,
      cacheBytes: scheduler.pick([1_000, 20_000, 1 << 24]),
    })
  }

  readonly #watched: PeerWatcher = (broker, method, asked, answer) => {
    if (method !== 'fetch') return
    const epochs = this.#asked.answered(broker, asked as FetchRequest)
    this.#parts.audit.fetched(broker, epochs, answer as FetchResponse)
  }

  #logger(life: Life): Logger {
    const say = (fields: object, message: string) => {
      if (life.alive()) this.#parts.trace.line(`${this.name} log: ${message} ${JSON.stringify(fields)}`)
    }
    return { debug: () => {}, info: say, warn: say, error: say }
  }
}
