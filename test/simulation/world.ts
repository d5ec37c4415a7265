import { Broker } from '../../src/broker/broker.js'
import { nodePersistence } from '../../src/broker/node-persistence.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { isPortalError, type PortalError } from '../../src/core/errors.js'
import type { Logger } from '../../src/protocol/connection.js'
import type { GroupSettings } from '../../src/protocol/groups.js'
import type { BrokerService } from '../../src/protocol/service.js'
import type { TopicConfig } from '../../src/protocol/topics.js'
import { createDispatcher } from '../../src/transport/http/dispatch.js'
import { serviceRoutes } from '../../src/transport/http/routes/routes.js'
import type { Transport } from '../../src/transport/transport.js'
import { runAdministrator } from './administrator.js'
import { Auditor } from './auditor.js'
import type { FarProcess, NetworkWorld } from './client-world.js'
import { runConsumer } from './consumer.js'
import { Disk } from './disk.js'
import { farProcess } from './far-process.js'
import { runLibraryConsumer, runLibraryProducer } from './library-clients.js'
import { type Call, type LinkFaults, localLink, type Reachable, remoteLink } from './link.js'
import { Network } from './network.js'
import { NetworkClients, UNDER_WAY } from './network-clients.js'
import { runNetworkConsumer } from './network-consumers.js'
import { findTopic, runProducer } from './producer.js'
import { runReader } from './reader.js'
import { Scheduler } from './scheduler.js'
import { Trace } from './trace.js'
import { check, Violation } from './violation.js'

const SETTINGS: Record<string, Partial<GroupSettings>> = {
  workers: { maxDeliveries: 3, backoff: { initial: 50, max: 400, factor: 2, jitter: 0.2 } },
  auditors: {
    maxDeliveries: 2,
    backoff: { initial: 10, max: 10, factor: 1, jitter: 0 },
    deadLetter: 'graveyard',
  },
  passing: { maxDeliveries: 4, backoff: { initial: 5, max: 1_000, factor: 3, jitter: 1 }, deadLetter: false },
  patient: { maxDeliveries: 3, backoff: { initial: 50, max: 400, factor: 2, jitter: 0.2 } },
  hasty: { maxDeliveries: 4, backoff: { initial: 5, max: 1_000, factor: 3, jitter: 1 }, deadLetter: false },
}

/** Who lives in this world: clients call by call, near and far; or the library's own, all far away. */
type Cast = 'raw' | 'network'

const GROUPS: Record<Cast, readonly { readonly topic: string; readonly group: string }[]> = {
  raw: [
    { topic: 'plain', group: 'workers' },
    { topic: 'plain', group: 'auditors' },
    { topic: 'plain', group: 'passing' },
    { topic: 'brief', group: 'workers' },
    { topic: 'brief', group: 'passing' },
  ],
  network: [
    { topic: 'plain', group: 'patient' },
    { topic: 'plain', group: 'hasty' },
  ],
}

const TOPICS: Record<string, Partial<TopicConfig>> = {
  plain: { partitions: 2, retention: { after: 1_000 }, dedupe: { window: 5_000, ids: 200 } },
  brief: { partitions: 1, retention: { after: 0, age: 8_000, bytes: 20_000 } },
}

/** How long everything may take to drain once nothing is wrong any more (ms of virtual time). */
const DRAIN = 600_000
/** How long it may take what waits for nobody's lease: the longest silence of a connection, and a little. */
const PATIENT_DRAIN = 60_000

/** A broker that lives, dies and comes back, with its disk, its network and its clients; and what is known about them. */
export class World implements NetworkWorld {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly auditor: Auditor
  readonly disk: Disk
  readonly network: LinkFaults = { loss: 0, duplicates: 0, delay: 10 }
  readonly counts = new Map<string, number>()
  readonly groups: (typeof GROUPS)[Cast]
  readonly cast: Cast
  /** No more faults: everybody acks, nobody dies. */
  healing = false
  producing = true
  readonly pace = 1
  #broker: Reachable | undefined
  #kill: (() => void) | undefined
  #close: (() => Promise<void>) | undefined
  #instance: Broker | undefined
  #lives = 0
  /** How far the wall clock is wrong. A jump that outlasts a restart cannot be told from a long sleep. */
  #jumped = 0
  /** Damage was injected in this life. */
  #damaged = false

  readonly #wires: Network
  readonly #networkClients = new NetworkClients(this)

  constructor(seed: number, cast: Cast) {
    this.cast = cast
    this.groups = GROUPS[cast]
    this.scheduler = new Scheduler(seed)
    this.trace = new Trace(() => this.scheduler.now)
    this.auditor = new Auditor(
      this.trace,
      () => this.scheduler.now,
      (group) => SETTINGS[group]?.maxDeliveries ?? 5,
    )
    this.disk = new Disk(this.scheduler, this.trace, this.auditor)
    this.auditor.network.groups.add('patient').add('hasty')
    this.#wires = new Network({
      scheduler: this.scheduler,
      faults: this.network,
      broker: () => this.#broker,
      watcher: {
        sent: (request) => this.auditor.network.sent(request),
        arrived: (request, sentAt) => this.auditor.network.arrived(request, sentAt),
        sees: (error) => this.sees(error),
      },
    })
    this.auditor.watch(
      () => this.disk.view,
      () => this.scheduler.latestTime,
    )
  }

  settingsOf(group: string): Partial<GroupSettings> {
    return SETTINGS[group] ?? {}
  }

  count(what: string, by: number): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  connect(ways: { readonly streams: boolean }): FarProcess {
    return farProcess(this, this.#wires, { ...ways, machine: 'clients', urls: ['http://broker'] })
  }

  excuse(): () => boolean {
    const { life, livesSince } = this.auditor
    const isFresh = this.scheduler.now - livesSince < UNDER_WAY
    return () => isFresh || this.auditor.life !== life
  }

  /** An error that a client or the broker's owner was shown. */
  sees(error: PortalError): void {
    this.count(error.code, 1)
    if (error.code === 'CORRUPT') check(this.#damaged, () => `CORRUPT on a sound disk: ${error.message}`)
    if (error.code === 'STORAGE_FAILED')
      check(this.#failing, () => `STORAGE_FAILED on a sound disk: ${error.message}`)
  }

  #failing = false
  #stopped = false
  #struck = false
  #strike: () => void = () => {}

  /** Death strikes at the worst moments most often: right after something was promised. */
  tempt(): void {
    if (this.healing || !this.scheduler.chance(0.01)) return
    this.#struck = true
    this.#strike()
  }

  /** Runs `steps` steps of trouble, then lets everything heal and drain. */
  async run(steps: number): Promise<void> {
    this.scheduler.spawn(this.#history())
    const end = () => this.scheduler.steps >= steps
    while (!end()) if (!(await this.scheduler.step())) throw new Violation('Nothing is left to happen.')
    this.trace.line('— heals —')
    this.healing = true
    this.producing = false
    Object.assign(this.network, { loss: 0, duplicates: 0, delay: 5 })
    Object.assign(this.disk.faults, {
      slow: false,
      corruptReads: 0,
      failCommit: 0,
      freeBytes: Number.POSITIVE_INFINITY,
    })
    const healedAt = this.scheduler.now
    const until = healedAt + DRAIN
    let drained = false
    this.scheduler.spawn(
      this.#drain(healedAt + PATIENT_DRAIN).then(() => {
        drained = true
      }),
    )
    while (!drained) {
      if (this.scheduler.now > until)
        throw new Violation(`[29] Not drained in ${DRAIN} ms: ${await this.#explain()}`)
      if (!(await this.scheduler.step())) throw new Violation('Nothing is left to happen.')
    }
    this.auditor.checkPromises()
    if (this.cast === 'network') this.#networkClients.checkOnce()
  }

  /** The broker's lives, one after the other, each with the clients that live in its process. */
  async #history(): Promise<void> {
    if (this.cast === 'network') this.scheduler.spawn(this.#farClients())
    else this.#clients()
    for (;;) {
      if (await this.#open()) await this.#live()
      else this.#die()
      await this.scheduler.sleep(this.scheduler.random() * 300)
    }
  }

  async #open(): Promise<boolean> {
    const life = ++this.#lives
    this.auditor.life = life
    this.auditor.livesSince = this.scheduler.now
    this.#setFaults()
    const { runtime, end, alive } = this.scheduler.life()
    const { storage, cutOff } = this.disk.open()
    this.#kill = () => {
      end()
      cutOff()
    }
    this.trace.line(`life ${life} opens`)
    const services: { local?: BrokerService; remote?: BrokerService } = {}
    const opening = Broker.open({
      storage,
      openCoordination: (opened) => inProcessCoordination()({ persistence: nodePersistence(opened) }),
      local: capture((service) => (services.local = service)),
      remote: capture((service) => (services.remote = service)),
      runtime,
      logger: this.#logger(alive),
      autoCreateTopics: true,
      cacheBytes: this.scheduler.pick([1_000, 20_000, 1 << 24]),
    })
    // It may die while it opens.
    const limit = this.scheduler.chance(0.1) ? this.scheduler.random() * 100 : 600_000
    const opened = await Promise.race([
      opening.then(
        (broker) => ({ broker }),
        (error: unknown) => ({ error }),
      ),
      this.scheduler.sleep(limit).then(() => undefined),
    ])
    if (!opened) {
      check(limit < 600_000, () => `life ${life} does not open`)
      this.trace.line(`life ${life} dies while it opens`)
      return false
    }
    if ('error' in opened) {
      const { error } = opened
      if (!isPortalError(error))
        throw new Violation(`The broker did not open: ${String((error as Error)?.stack ?? error)}`)
      check(this.#damaged || this.#failing, () => `The broker did not open: ${error.code} ${error.message}`)
      this.trace.line(`life ${life} does not open: ${error.code}`)
      return false
    }
    const { broker } = opened
    broker.on('error', (error) => {
      if (!alive()) return
      this.trace.line(`error event: ${error.code}`)
      this.#guard(() => this.sees(error))
      // A broker whose storage failed has stopped: whoever runs it starts it again.
      if (error.code === 'STORAGE_FAILED') this.#stopped = true
    })
    this.#close = () => broker.close()
    this.#instance = broker
    this.trace.line(`life ${life} is open`)
    const remote = services.remote!
    const http = createDispatcher(remote, {
      routes: serviceRoutes,
      runtime,
      logger: this.#logger(alive),
      maxBodyBytes: 1 << 25,
    })
    this.#broker = { life, local: services.local!, remote, http, alive }
    return true
  }

  /** Until it dies in one way or another. */
  async #live(): Promise<void> {
    const { life } = this.#broker!
    await this.#ensureTopics()
    const goesOn = () => this.#broker?.life === life
    if (this.cast === 'raw') {
      this.#localClients(life, goesOn)
      this.scheduler.spawn(runLibraryProducer(this, this.#instance!, life, goesOn))
      this.scheduler.spawn(runLibraryConsumer(this, this.#instance!, 'workers', goesOn))
    }
    const span = this.scheduler.random() * (this.scheduler.chance(0.3) ? 500 : 15_000)
    for (const end = this.scheduler.now + span; this.scheduler.now < end || this.healing; ) {
      await Promise.race([
        this.scheduler.sleep(this.scheduler.random() * 500),
        new Promise<void>((resolve) => (this.#strike = resolve)),
      ])
      if (this.#struck || this.#stopped || (this.healing && this.#damaged)) break
      if (this.healing) continue
      this.#trouble()
      if (this.disk.faults.failCommit > 0) this.#failing = true
    }
    if (!this.#struck && this.scheduler.chance(0.25)) {
      this.trace.line(`life ${life} closes`)
      await Promise.race([this.#closed(), this.scheduler.sleep(this.scheduler.random() < 0.2 ? 20 : 60_000)])
      this.trace.line(`life ${life} has closed, or was killed at it`)
    }
    this.#die()
  }

  /** Closing fails on a disk that fails, and never waits for ever. */
  async #closed(): Promise<void> {
    try {
      await this.#close!()
    } catch (error) {
      check(this.#failing, () => `The broker did not close: ${String((error as Error).stack)}`)
    }
  }

  #die(): void {
    this.scheduler.jump(-this.#jumped)
    this.#jumped = 0
    this.#kill!()
    this.#broker = undefined
    this.#wires.brokerDied('broker')
    if (this.scheduler.chance(0.5)) this.trace.line(`power fails: ${this.disk.losePower()} groups lost`)
    else this.trace.line('the process dies')
    this.auditor.restarted()
    if (this.cast === 'network') this.#networkClients.checkOnce()
  }

  #setFaults(): void {
    const { scheduler, disk } = this
    this.#damaged = false
    this.#failing = false
    this.#stopped = false
    this.#struck = false
    if (this.healing) return
    disk.faults.slow = scheduler.chance(0.3)
    disk.faults.corruptReads = scheduler.chance(0.1) ? 0.05 : 0
    disk.faults.failCommit = 0
    this.#damaged = disk.faults.corruptReads > 0
    Object.assign(this.network, {
      loss: scheduler.pick([0, 0.02, 0.2]),
      duplicates: scheduler.pick([0, 0.05, 0.3]),
      delay: scheduler.pick([1, 10, 80]),
    })
  }

  #trouble(): void {
    const { scheduler, disk } = this
    if (scheduler.chance(0.02)) {
      const by = scheduler.pick([-90_000, -5_000, 500, 30_000, 150_000]) * scheduler.random()
      this.trace.line(`the wall clock jumps by ${Math.round(by)}`)
      scheduler.jump(by)
      this.#jumped += by
    }
    if (scheduler.chance(0.05))
      disk.faults.freeBytes = disk.faults.freeBytes < 1e9 ? Number.POSITIVE_INFINITY : 1_000_000
    if (scheduler.chance(0.02)) disk.faults.failCommit = 0.3
  }

  async #ensureTopics(): Promise<void> {
    const call = this.#localCall()
    for (const [name, config] of Object.entries(TOPICS)) {
      try {
        await Promise.race([call('createTopic', { name, config }, 60_000), this.scheduler.sleep(5_000)])
      } catch (error) {
        if (!isPortalError(error)) throw error
      }
    }
  }

  #localCall(): Call {
    return localLink(
      this.scheduler,
      () => this.#broker,
      (error) => this.sees(error),
    )
  }

  #remoteCall(): Call {
    return remoteLink(
      this.scheduler,
      this.network,
      () => this.#broker,
      (error) => this.sees(error),
    )
  }

  /** Clients elsewhere: they outlive the broker. */
  #clients(): void {
    const always = () => true
    const { scheduler } = this
    for (const [index, partition] of [0, 1].entries()) {
      const options = {
        name: `far${index}`,
        topic: 'plain',
        partition,
        local: false,
        ids: index === 1,
        pause: 400,
      }
      scheduler.spawn(runProducer(this, this.#remoteCall(), options, always))
    }
    scheduler.spawn(
      runProducer(
        this,
        this.#remoteCall(),
        { name: 'brief', topic: 'brief', partition: 0, local: false, ids: false, pause: 500 },
        always,
      ),
    )
    for (const { topic, group } of this.groups) {
      for (let i = 0; i < 2; i++) {
        const options = { name: `${topic}-${group}-${i}`, topic, group, local: false }
        scheduler.spawn(runConsumer(this, this.#remoteCall(), options, always))
      }
    }
    scheduler.spawn(runReader(this, this.#remoteCall(), 'plain', 0, always))
    scheduler.spawn(runReader(this, this.#remoteCall(), 'brief', 0, always))
    scheduler.spawn(runAdministrator(this, this.#remoteCall(), always))
  }

  /** The library's clients, all elsewhere; they come once there is the topic, so that it is none with the defaults. */
  async #farClients(): Promise<void> {
    const { scheduler } = this
    const clients = this.#networkClients
    const connect = () => this.connect({ streams: scheduler.chance(0.5) })
    await findTopic(this, this.#remoteCall(), 'plain', () => true)
    for (const name of ['one', 'two']) scheduler.spawn(clients.produce(connect().connection, name))
    for (const partition of [undefined, 0, 1]) scheduler.spawn(clients.read(connect().connection, partition))
    for (let i = 0; i < 3; i++) scheduler.spawn(clients.lock(connect()))
    for (const group of ['patient', 'hasty'] as const) {
      for (const style of ['receive', 'iterate', 'run'] as const) {
        for (const streams of [false, true])
          scheduler.spawn(runNetworkConsumer(this, { group, style, streams }))
      }
    }
    scheduler.spawn(runAdministrator(this, this.#remoteCall(), () => true))
  }

  /** Clients in the broker's own process. */
  #localClients(life: number, goesOn: () => boolean): void {
    const { scheduler } = this
    const call = this.#localCall()
    scheduler.spawn(
      runProducer(
        this,
        call,
        { name: `near${life}`, topic: 'plain', partition: 0, local: true, ids: true, pause: 300 },
        goesOn,
      ),
    )
    for (const { topic, group } of this.groups.slice(0, 4)) {
      const options = { name: `near-${topic}-${group}`, topic, group, local: true }
      scheduler.spawn(runConsumer(this, call, options, goesOn))
    }
  }

  /** Waits until nobody has anything left to do. */
  async #drain(patience: number): Promise<void> {
    const call = this.#remoteCall()
    for (;;) {
      await this.scheduler.sleep(500)
      let left = 0
      /** What may not take long: nobody has died over it. */
      let hindered = this.cast === 'network' ? this.#networkClients.unfinished() : undefined
      try {
        for (const { topic, group } of this.groups) {
          await call('joinGroup', { topic, group, settings: this.settingsOf(group), create: true }, 5_000)
          await call('resumeGroup', { topic, group }, 5_000)
          const { partitions } = await call('describeGroup', { topic, group }, 5_000)
          for (const { lag } of partitions) left += lag
          if (group !== 'patient') continue
          // A retry is due at a time of the wall clock, which may have jumped.
          for (const { lag, retrying, dying } of partitions)
            if (lag > retrying + dying) hindered ??= `${lag - retrying - dying} left`
        }
      } catch (error) {
        if (!isPortalError(error)) throw error
        continue
      }
      if (left === 0 && hindered === undefined) return
      if (hindered !== undefined && this.scheduler.now > patience)
        throw new Violation(
          `Not done ${PATIENT_DRAIN} ms after all has healed: ${hindered}; ${await this.#explain()}`,
        )
    }
  }

  /** What hinders the draining, in the broker's own words. */
  async #explain(): Promise<string> {
    const reached = this.#broker
    if (!reached) return 'there is no broker'
    const reasons: string[] = []
    for (const { topic, group } of this.groups) {
      const described = await reached.local
        .describeGroup({ topic, group })
        .catch((error: PortalError) => error)
      if (described instanceof Error) reasons.push(`${topic}/${group}: ${described.message}`)
      else {
        for (const { partition, lag, floor, ...rest } of described.partitions) {
          if (lag === 0) continue
          const why = await reached.local.explain({ topic, group, partition, offset: floor })
          reasons.push(
            `${topic}/${partition} ${group}: ${lag} left, ${floor} is ${why.state}: ${why.reason} ${JSON.stringify(rest)}`,
          )
        }
      }
    }
    return reasons.join('\n')
  }

  #logger(alive: () => boolean): Logger {
    const say = (fields: object, message: string) => {
      if (alive()) this.trace.line(`log: ${message} ${JSON.stringify(fields)}`)
    }
    // Nobody listens for `error` while it opens: what is wrong goes to the logger, and only a bad disk is wrong.
    const error = (fields: object, message: string) => {
      say(fields, message)
      const sound = !this.#damaged && !this.#failing && this.disk.faults.freeBytes > 1e9
      if (alive() && sound) this.scheduler.fail(new Violation(`An error on a sound disk: ${message}`))
    }
    return { debug: say, info: say, warn: say, error }
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.scheduler.fail(error)
    }
  }
}

/** A transport that hands the service out. */
function capture(take: (service: BrokerService) => void): Transport {
  let held: BrokerService | undefined
  return {
    async listen(service) {
      held = service
      take(service)
      return { address: 'here', close: async () => {} }
    },
    connect: () => held!,
    connectForwarding: () => held!,
    connectPeer: () => {
      throw new Error('The brokers of this world are alone.')
    },
  }
}
