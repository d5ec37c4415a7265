import { isPortalError, type PortalError } from '../../src/core/errors.js'
import type { GroupSettings } from '../../src/protocol/groups.js'
import type { BrokerService } from '../../src/protocol/service.js'
import type { TopicConfig } from '../../src/protocol/topics.js'
import { runAdministrator } from './administrator.js'
import { Calls } from './calls.js'
import type { FarProcess, NetworkWorld } from './client-world.js'
import { runClusterAdministrator } from './cluster-administrator.js'
import { ClusterAudit } from './cluster-audit.js'
import { ClusterBroker, type Services } from './cluster-broker.js'
import { ClusterClients, FAR_GROUPS } from './cluster-clients.js'
import { runOperator } from './cluster-operator.js'
import { ClusterTroubles } from './cluster-troubles.js'
import { runConsumer } from './consumer.js'
import { Ensemble } from './ensemble.js'
import { runFailovers } from './failovers.js'
import { FLEETING, FLEETING_GROUP, FleetingClients } from './fleeting-clients.js'
import type { Ledger } from './ledger.js'
import { type Call, IMPOSSIBLE } from './link.js'
import { runProducer } from './producer.js'
import { runReader } from './reader.js'
import { serviceOver } from './remote-service.js'
import { Scheduler } from './scheduler.js'
import { Trace } from './trace.js'
import { check, Violation } from './violation.js'
import { Wires } from './wires.js'

const SETTINGS: Record<string, Partial<GroupSettings>> = {
  workers: { maxDeliveries: 3, backoff: { initial: 50, max: 400, factor: 2, jitter: 0.2 } },
  passing: { maxDeliveries: 4, backoff: { initial: 5, max: 1_000, factor: 3, jitter: 1 }, deadLetter: false },
  patient: { maxDeliveries: 3, backoff: { initial: 50, max: 400, factor: 2, jitter: 0.2 } },
  [FLEETING_GROUP]: {
    maxDeliveries: 4,
    backoff: { initial: 5, max: 400, factor: 3, jitter: 1 },
    deadLetter: false,
  },
  hasty: { maxDeliveries: 4, backoff: { initial: 5, max: 1_000, factor: 3, jitter: 1 }, deadLetter: false },
}

const TOPICS: Record<string, Partial<TopicConfig>> = {
  plain: {
    partitions: 2,
    replicas: 3,
    minInSync: 2,
    retention: { after: 1_000 },
    dedupe: { window: 60_000, ids: 200 },
  },
  brief: { partitions: 1, replicas: 3, minInSync: 2, retention: { after: 0, age: 60_000, bytes: 20_000 } },
}

/** Those of clients that call by call live on what the wire says. */
const NEAR_GROUPS = [
  { topic: 'plain', group: 'workers' },
  { topic: 'plain', group: 'passing' },
  { topic: 'brief', group: 'passing' },
]

/** What is refused once it is done: an answer that was lost is asked for again. */
const REPEATED = new Set<string>(['changeCluster', 'addPartitions'])

/** By how much everybody may rest longer than when there is most to do. */
const PACES = [1, 4, 10, 30]

/** How long everything may take to drain once nothing is wrong any more (ms of virtual time). */
const DRAIN = 600_000

/** Brokers on machines of their own with a coordination service between them, their clients, and what goes wrong. */
export class ClusterWorld implements NetworkWorld {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly audit: ClusterAudit
  readonly ensemble: Ensemble
  readonly brokers: readonly ClusterBroker[]
  /** Between brokers. */
  readonly wires: Wires
  /** Between clients and brokers. */
  readonly doorWires: Wires
  readonly counts = new Map<string, number>()
  readonly groups = [...NEAR_GROUPS, ...FAR_GROUPS, { topic: FLEETING, group: FLEETING_GROUP }]
  pace = 1
  healing = false
  producing = true
  readonly #doors: Calls<Services>
  readonly #troubles: ClusterTroubles
  readonly #far: ClusterClients
  readonly #fleetingClients: FleetingClients
  #strike: () => void = () => {}

  constructor(seed: number) {
    this.scheduler = new Scheduler(seed)
    const { scheduler } = this
    this.trace = new Trace(() => scheduler.now)
    const { trace } = this
    this.ensemble = new Ensemble(scheduler)
    this.wires = new Wires(scheduler, trace)
    this.doorWires = new Wires(scheduler, trace)
    const calls = new Calls<Services>(scheduler, this.wires)
    this.#doors = new Calls<Services>(scheduler, this.doorWires, (name, life) => {
      if (!life.alive()) this.#far.died(name)
    })
    this.audit = new ClusterAudit({
      trace,
      ensemble: this.ensemble,
      now: () => scheduler.now,
      latestTime: () => Math.ceil(scheduler.latestTime + Math.max(0, ...this.#troubles.recentOffsets())),
      maxDeliveries: (group) => SETTINGS[group]?.maxDeliveries ?? 5,
      happened: (what) => this.count(what, 1),
      fail: (violation) => scheduler.fail(violation),
    })
    const count = scheduler.pick([3, 3, 4, 5])
    const parts = {
      scheduler,
      trace,
      audit: this.audit,
      ensemble: this.ensemble,
      calls,
      doors: this.#doors,
      sessionTimeout: 6_000,
      replicaLag: scheduler.pick([1_000, 3_000, 10_000, 30_000]),
      throttledRate: scheduler.pick([20_000, 1 << 20, 32 << 20]),
      sees: (_: ClusterBroker, error: PortalError) => this.sees(error),
    }
    this.brokers = Array.from(
      { length: count },
      (_, at) => new ClusterBroker(`b${at + 1}`, `rack${at % 3}`, parts),
    )
    this.#troubles = new ClusterTroubles(this)
    this.#far = new ClusterClients(this, this.#doors)
    this.#fleetingClients = new FleetingClients(this)
  }

  get auditor(): Ledger {
    return this.audit.ledger
  }

  settingsOf(group: string): Partial<GroupSettings> {
    return SETTINGS[group] ?? {}
  }

  count(what: string, by: number): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  sees(error: PortalError): void {
    this.count(error.code, 1)
    const { isDamaged, isFailing } = this.#troubles
    if (error.code === 'CORRUPT') check(isDamaged, () => `CORRUPT on sound disks: ${error.message}`)
    if (error.code === 'STORAGE_FAILED')
      check(isFailing, () => `STORAGE_FAILED on sound disks: ${error.message}`)
  }

  /** Death strikes at the worst moments most often: right after something was promised. */
  tempt(): void {
    if (!this.healing && this.scheduler.chance(0.005)) this.#strike()
  }

  /** Runs `steps` steps of trouble, then lets everything heal and drain. */
  async run(steps: number): Promise<void> {
    const { scheduler } = this
    for (const broker of this.brokers) scheduler.spawn(this.#lives(broker))
    scheduler.spawn(this.#clients())
    scheduler.spawn(this.#troubles.begin())
    scheduler.spawn(runOperator(this, this.call()))
    scheduler.spawn(this.#tides())
    scheduler.spawn(runFailovers(this))
    while (scheduler.steps < steps)
      if (!(await scheduler.step())) throw new Violation('Nothing is left to happen.')
    this.trace.line('— heals —')
    this.healing = true
    this.producing = false
    this.pace = 1
    this.#troubles.heal()
    const until = scheduler.now + DRAIN
    let drained = false
    scheduler.spawn(
      this.#drain().then(() => {
        drained = true
      }),
    )
    while (!drained) {
      if (scheduler.now > until)
        throw new Violation(`[29] Not drained in ${DRAIN} ms: ${await this.#explain()}`)
      if (!(await scheduler.step())) throw new Violation('Nothing is left to happen.')
    }
    this.audit.check()
    this.#far.check()
  }

  /** At times there is much to do, at times little: then what takes long has its time. */
  async #tides(): Promise<void> {
    const { scheduler } = this
    while (!this.healing) {
      this.pace = scheduler.pick(PACES)
      await scheduler.sleep(scheduler.random() * 30_000)
    }
  }

  // Brokers ------------------------------------------------------------------------------------------------------------

  /** A machine's lives, one after the other. */
  async #lives(broker: ClusterBroker): Promise<void> {
    const { scheduler } = this
    for (;;) {
      while (broker.isAway) await scheduler.sleep(500)
      const limit = !this.healing && scheduler.chance(0.1) ? scheduler.random() * 2_000 : 120_000
      if (await broker.open(limit)) await this.#live(broker)
      if (broker.life) broker.die(!this.healing && scheduler.chance(0.5))
      this.#troubles.isDown(broker)
      await scheduler.sleep(
        scheduler.random() * (this.healing ? 1_000 : scheduler.pick([300, 3_000, 20_000])),
      )
    }
  }

  async #live(broker: ClusterBroker): Promise<void> {
    const { scheduler } = this
    const { life } = broker
    const span = scheduler.random() * (scheduler.chance(0.2) ? 3_000 : 120_000)
    const end = scheduler.now + span
    let isStruck = false
    while (scheduler.now < end || this.healing) {
      await Promise.race([
        scheduler.sleep(scheduler.random() * 2_000),
        new Promise<void>((resolve) => {
          this.#strike = () => {
            isStruck = scheduler.chance(0.5)
            resolve()
          }
        }),
      ])
      // Somebody else has ended this life: power failed everywhere, or its disk is gone.
      if (broker.life !== life) return
      if (isStruck || broker.hasEnded || broker.isAway) break
    }
    if (isStruck || broker.hasEnded || !scheduler.chance(broker.isAway ? 0.7 : 0.3)) return
    await Promise.race([broker.close(), scheduler.sleep(scheduler.chance(0.2) ? 50 : 60_000)])
  }

  // Clients ------------------------------------------------------------------------------------------------------------

  /** A client calls whichever broker it knows, and another one when that does not answer. */
  call(): Call {
    const { scheduler } = this
    const life = scheduler.life()
    const services = this.brokers.map(({ name }) =>
      serviceOver(this.#doors, { from: 'clients', life, to: name }, { forwarded: false }),
    )
    let at = scheduler.whole(0, services.length - 1)
    return async (method, request, timeout) => {
      const control = new AbortController()
      const timer = scheduler.after(timeout, () => control.abort())
      const service = services[at]! as unknown as Record<string, (...args: unknown[]) => Promise<never>>
      try {
        const answer = await service[method]!(request, { signal: control.signal })
        if (method === 'produce') this.#seesResults(answer)
        // As a balancer of load does it.
        if (scheduler.chance(0.2)) at = scheduler.whole(0, services.length - 1)
        return answer
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (IMPOSSIBLE.has(error.code) && !REPEATED.has(method))
          scheduler.fail(new Violation(`${method} was refused: ${error.code} ${error.message}`))
        this.sees(error)
        if (scheduler.chance(0.5)) at = scheduler.whole(0, services.length - 1)
        throw error
      } finally {
        timer.cancel()
      }
    }
  }

  #seesResults({ results }: Awaited<ReturnType<BrokerService['produce']>>): void {
    for (const result of results) if (result.error) this.sees(result.error)
  }

  connect(ways: { readonly streams: boolean }): FarProcess {
    return this.#far.connect(ways)
  }

  /** What a leader was about to trim when it was deposed is not trimmed: the end tells. */
  excuse(): undefined {
    return undefined
  }

  async #clients(): Promise<void> {
    const { scheduler } = this
    const always = () => true
    await this.#make(TOPICS)
    for (const [index, partition] of [0, 1].entries()) {
      const options = {
        name: `p${index}`,
        topic: 'plain',
        partition,
        local: false,
        ids: index === 1,
        pause: 800,
      }
      scheduler.spawn(runProducer(this, this.call(), options, always))
    }
    const brief = { name: 'brief', topic: 'brief', partition: 0, local: false, ids: false, pause: 800 }
    scheduler.spawn(runProducer(this, this.call(), brief, always))
    for (const { topic, group } of NEAR_GROUPS) {
      for (let i = 0; i < 2; i++) {
        const options = { name: `${topic}-${group}-${i}`, topic, group, local: false }
        scheduler.spawn(runConsumer(this, this.call(), options, always))
      }
    }
    scheduler.spawn(runReader(this, this.call(), 'plain', 0, always))
    scheduler.spawn(runReader(this, this.call(), 'brief', 0, always))
    scheduler.spawn(runAdministrator(this, this.call(), always))
    scheduler.spawn(runClusterAdministrator(this, this.call()))
    scheduler.spawn(this.#fleeting())
    this.#far.begin()
    this.#fleetingClients.begin()
  }

  /** A topic that comes, grows and goes, each time with clients of its own (invariant 11). */
  async #fleeting(): Promise<void> {
    const { scheduler } = this
    const call = this.call()
    for (let round = 0; !this.healing; round++) {
      await this.#make({ [FLEETING]: { partitions: 1, replicas: 3, minInSync: 2 } })
      let isThere = true
      const goesOn = () => isThere
      const options = {
        name: `f${round}`,
        topic: FLEETING,
        partition: 0,
        local: false,
        ids: false,
        pause: 500,
      }
      scheduler.spawn(runProducer(this, this.call(), options, goesOn))
      const consumer = { name: `f${round}`, topic: FLEETING, group: 'passing', local: false }
      scheduler.spawn(runConsumer(this, this.call(), consumer, goesOn))
      scheduler.spawn(runReader(this, this.call(), FLEETING, 0, goesOn))
      await scheduler.sleep(scheduler.random() * 30_000)
      if (scheduler.chance(0.5)) await this.#grow(call)
      await scheduler.sleep(scheduler.random() * 30_000)
      isThere = false
      await this.#insist(() => call('deleteTopic', { name: FLEETING }, 10_000), 'TOPIC_NOT_FOUND')
      this.count('topic deleted', 1)
    }
  }

  async #grow(call: Call): Promise<void> {
    const partitions = this.scheduler.whole(2, 3)
    try {
      await call('addPartitions', { name: FLEETING, partitions }, 10_000)
      this.count('topic grown', 1)
    } catch (error) {
      if (!isPortalError(error)) throw error
    }
  }

  async #make(topics: Record<string, Partial<TopicConfig>>): Promise<void> {
    const call = this.call()
    for (const [name, config] of Object.entries(topics))
      await this.#insist(() => call('createTopic', { name, config }, 10_000), 'TOPIC_EXISTS')
  }

  /** Until it is done, or was done before. */
  async #insist(work: () => Promise<unknown>, done: PortalError['code']): Promise<void> {
    for (;;) {
      try {
        await work()
        return
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (error.code === done) return
      }
      await this.scheduler.sleep(this.scheduler.random() * 1_000)
    }
  }

  // The end ------------------------------------------------------------------------------------------------------------

  /** Waits until nobody has anything left to do, and all replicas are the same. */
  async #drain(): Promise<void> {
    const call = this.call()
    for (let round = 0; ; round++) {
      // At first often; later only messages of who has died are waited for.
      await this.scheduler.sleep(round < 20 ? 1_000 : 5_000)
      if (this.#unfinished() !== undefined) continue
      try {
        // It may have been deleted by a request that came late.
        if (round % 10 === 0) await this.#make({ [FLEETING]: {} })
        if (round % 10 === 0)
          for (const { topic, group } of this.groups) await this.#resume(call, topic, group)
        if ((await this.#anyLeft(call)) || this.#unfinished() !== undefined) continue
        return
      } catch (error) {
        if (!isPortalError(error)) throw error
      }
    }
  }

  #unfinished(): string | undefined {
    return this.audit.unequal() ?? this.#far.unfinished() ?? this.#fleetingClients.unfinished()
  }

  /** Makes a group and lets it go on: what an administrator asked for before may have come late. */
  async #resume(call: Call, topic: string, group: string): Promise<void> {
    await call('joinGroup', { topic, group, settings: this.settingsOf(group), create: true }, 5_000)
    await call('resumeGroup', { topic, group }, 5_000)
  }

  async #anyLeft(call: Call): Promise<boolean> {
    for (const { topic, group } of this.groups) {
      const { partitions } = await call('describeGroup', { topic, group }, 5_000)
      if (partitions.some(({ lag }) => lag > 0)) return true
    }
    return false
  }

  async #explain(): Promise<string> {
    const reasons = [this.audit.unequal() ?? 'all replicas are equal']
    reasons.push(this.#far.unfinished() ?? "the library's clients are done")
    const call = this.call()
    const ask = async () => {
      for (const { topic, group } of this.groups) {
        const described = await call('describeGroup', { topic, group }, 5_000).catch(
          (error: PortalError) => error,
        )
        if (described instanceof Error) reasons.push(`${topic}/${group}: ${described.message}`)
        else
          for (const { lag, ...rest } of described.partitions)
            if (lag > 0) {
              const state = described.paused ? 'paused, ' : ''
              reasons.push(`${topic} ${group}: ${state}${lag} left ${JSON.stringify(rest)}`)
            }
      }
    }
    let isOver = false
    void ask().finally(() => {
      isOver = true
    })
    while (!isOver && (await this.scheduler.step()));
    return reasons.join('\n')
  }
}
