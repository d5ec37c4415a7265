import { Consumer } from '../../src/client/consumer/consumer.js'
import type { Message } from '../../src/client/consumer/message.js'
import { isPortalError } from '../../src/core/errors.js'
import type { NetworkWorld } from './client-world.js'

/** In which way a consumer is asked for messages. */
export type Style = 'receive' | 'iterate' | 'run'

export interface NetworkConsumerOptions {
  readonly group: 'patient' | 'hasty'
  readonly style: Style
  readonly streams: boolean
}

/**
 * Far longer than anything takes: if a message of a patient group has to wait for the end of a lease, somebody has lost it. Hasty ones are late,
 * forget messages and die.
 */
const LEASE = { patient: 180_000, hasty: 1_500 }

/** A consumer of the library at the other end of the network; a hasty one lives several times. */
export async function runNetworkConsumer(
  world: NetworkWorld,
  options: NetworkConsumerOptions,
): Promise<void> {
  for (;;) {
    const { connection, die } = world.connect({ streams: options.streams })
    const prefetch = world.scheduler.pick(['auto', 1, 8, 64] as const)
    const consumer = new Consumer<string>(connection, 'plain', {
      group: options.group,
      ...world.settingsOf(options.group),
      lease: LEASE[options.group],
      prefetch,
      // Whoever watches the network learns from it how much credit it may give.
      consumerId: prefetch === 'auto' ? undefined : `holds${prefetch}`,
    })
    const work = new Work(world, consumer, options)
    const life = work.begin()
    if (options.group === 'patient') return life
    await Promise.race([life, world.scheduler.sleep(world.scheduler.random() * 40_000)])
    if (world.healing) return life
    work.end()
    if (world.scheduler.chance(0.5))
      await Promise.race([consumer.close({ timeout: 500 }), world.scheduler.sleep(5_000)])
    die()
    await world.scheduler.sleep(world.scheduler.random() * 500)
  }
}

class Work {
  readonly #world: NetworkWorld
  readonly #consumer: Consumer<string>
  readonly #options: NetworkConsumerOptions
  #isOver = false

  constructor(world: NetworkWorld, consumer: Consumer<string>, options: NetworkConsumerOptions) {
    this.#world = world
    this.#consumer = consumer
    this.#options = options
  }

  end(): void {
    this.#isOver = true
  }

  async begin(): Promise<void> {
    const { scheduler } = this.#world
    while (!this.#isOver) {
      try {
        await this[this.#options.style]()
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`network ${this.#options.style} ${error.code}`, 1)
        this.#world.trace.line(
          `${this.#options.style} of ${this.#options.group}: ${error.code} ${error.message}`,
        )
        if (error.code === 'CLOSED') return
      }
      await scheduler.sleep(scheduler.random() * 300)
    }
  }

  async receive(): Promise<void> {
    const { scheduler } = this.#world
    const stop = new AbortController()
    if (scheduler.chance(0.2)) scheduler.after(scheduler.random() * 3_000, () => stop.abort())
    const timeout = scheduler.pick([0, 500, 10_000])
    const message = await this.#consumer.receive({ timeout, signal: stop.signal })
    if (message) await this.#handle(message)
  }

  async iterate(): Promise<void> {
    for await (const message of this.#consumer) {
      await this.#handle(message)
      if (this.#isOver || this.#world.scheduler.chance(0.05)) break
    }
  }

  async run(): Promise<void> {
    const { scheduler } = this.#world
    const stop = new AbortController()
    scheduler.after(scheduler.random() * 15_000, () => stop.abort())
    const concurrency = scheduler.whole(1, 4)
    await this.#consumer.run((message) => this.#handleInRun(message), { concurrency, signal: stop.signal })
  }

  /** Settles it in one way or another; a hasty one may forget it. */
  async #handle(message: Message<string>): Promise<void> {
    const { scheduler } = this.#world
    this.#believe(message)
    const plan = this.#plan()
    if (plan === 'forget') return
    await scheduler.sleep(scheduler.random() * this.#slowness())
    if (plan === 'ack') {
      const acked = this.#ack(message)
      if (scheduler.chance(0.5)) await acked
      else scheduler.spawn(this.#shrug(acked))
      return
    }
    this.#fails(message)
    await (plan === 'nack' ? message.nack({ delay: scheduler.whole(0, 500) }) : message.reject('because'))
  }

  /** Leaves the settling to the run, mostly. */
  async #handleInRun(message: Message<string>): Promise<void> {
    const { scheduler } = this.#world
    this.#believe(message)
    const plan = this.#plan()
    await scheduler.sleep(scheduler.random() * this.#slowness())
    if (plan === 'ack' && scheduler.chance(0.5)) await this.#shrug(this.#ack(message))
    if (plan !== 'nack' && plan !== 'reject') return
    this.#fails(message)
    if (plan === 'nack') throw new Error('because')
    await this.#shrug(message.reject('because'))
  }

  #plan(): 'ack' | 'nack' | 'reject' | 'forget' {
    const dice = this.#world.scheduler.random()
    if (this.#world.healing || dice < 0.85) return 'ack'
    if (dice < 0.95) return 'nack'
    return dice < 0.97 || this.#options.group === 'patient' ? 'reject' : 'forget'
  }

  #slowness(): number {
    const { scheduler, healing } = this.#world
    return healing ? 20 : scheduler.pick([1, 1, 50, 300, 3_000])
  }

  /** What is delivered is in the log, and was delivered as often before as the log says. */
  #believe(message: Message<string>): void {
    const { auditor, trace } = this.#world
    const { partition, offset, value, deliveryCount } = message
    const log = this.#world.auditor.logOf('plain', partition)!
    trace.line(
      `${this.#options.style} of ${this.#options.group} gets ${partition}/${offset} (${deliveryCount})`,
    )
    auditor.promise({ type: 'stored', log, offset, value })
    auditor.network.handedOut(log, this.#options.group, offset, deliveryCount)
    this.#world.count(`network ${this.#options.style}`, 1)
  }

  #fails({ partition, offset }: Message<string>): void {
    this.#world.auditor.network.fails(
      this.#world.auditor.logOf('plain', partition)!,
      this.#options.group,
      offset,
    )
  }

  /** Once it resolves, the message is settled for good (invariant 19). */
  async #ack(message: Message<string>): Promise<void> {
    const { auditor } = this.#world
    const { group } = this.#options
    const { offset } = message
    const log = this.#world.auditor.logOf('plain', message.partition)!
    const generation = auditor.generationOf(log, group)
    await message.ack()
    auditor.acked(log, group, generation, offset)
    this.#world.count('network acked', 1)
    this.#world.tempt()
  }

  /** The lease was lost, or the group moved: then it comes again. */
  async #shrug(settling: Promise<void>): Promise<void> {
    try {
      await settling
    } catch (error) {
      if (!isPortalError(error)) throw error
      this.#world.count(`network settle ${error.code}`, 1)
    }
  }
}
