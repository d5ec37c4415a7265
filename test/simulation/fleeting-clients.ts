import { Consumer } from '../../src/client/consumer/consumer.js'
import type { Message } from '../../src/client/consumer/message.js'
import { Producer } from '../../src/client/producer/producer.js'
import { Reader } from '../../src/client/reader/reader.js'
import type { RemoteConnection } from '../../src/connect.js'
import { isPortalError } from '../../src/core/errors.js'
import type { ClusterWorld } from './cluster-world.js'
import { check } from './violation.js'

/** The topic that is deleted, and made again, with all that belongs to it. */
export const FLEETING = 'fleeting'
/** The group of these consumers, in each topic of that name. */
export const FLEETING_GROUP = 'followers'

/** Different ids of messages: some are used again while they are remembered. */
const IDS = 40
/** How long after a deletion brokers may still have to be told of it (ms). */
const TOLD = 60_000

/**
 * The library's clients of a topic that comes, grows and goes under their hands. They know its name alone, and a send may make it: whatever they are told is
 * true of one of the topics that had this name, and holds as long as that is there.
 */
export class FleetingClients {
  readonly #world: ClusterWorld
  /** Sends that have neither resolved nor rejected. */
  #sending = 0

  constructor(world: ClusterWorld) {
    this.#world = world
  }

  begin(): void {
    const { scheduler } = this.#world
    const connect = () => this.#world.connect({ streams: scheduler.chance(0.5) }).connection
    scheduler.spawn(this.#produce(connect(), scheduler.pick(['all', 'all', 'leader'])))
    scheduler.spawn(this.#consume(connect()))
    scheduler.spawn(this.#read(connect()))
  }

  unfinished(): string | undefined {
    return this.#sending > 0 ? `${this.#sending} sends to ${FLEETING} have no answer` : undefined
  }

  async #produce(connection: RemoteConnection, acks: 'all' | 'leader'): Promise<void> {
    const { scheduler } = this.#world
    const producer = new Producer(connection, { deliveryTimeout: 20_000, acks })
    for (let serial = 0; this.#world.producing; serial++) {
      scheduler.spawn(this.#send(producer, serial, acks))
      await scheduler.sleep(scheduler.random() * 1_500 * this.#world.pace)
    }
  }

  /** Some have an id, which their values show. Those that name no partition may meet in one that comes after theirs, in any order. */
  async #send(producer: Producer, serial: number, acks: 'all' | 'leader'): Promise<void> {
    const { scheduler, audit } = this.#world
    const id = scheduler.chance(0.5) ? `id${scheduler.whole(0, IDS)}` : undefined
    const to = scheduler.chance(0.5) ? 0 : undefined
    const value = `${FLEETING}${to === undefined ? ' ' : '#'}${serial} ${id ?? ''}`
    this.#sending++
    try {
      const { partition, offset, duplicate } = await producer.send(FLEETING, value, { id, partition: to })
      this.#world.count('fleeting sent', 1)
      // What the leader alone has stored may be lost with it.
      if (acks === 'leader') return
      if (duplicate) this.#isDuplicate(partition, offset, id)
      else {
        const log = this.#believe(partition, offset, value)
        if (log !== undefined) audit.ledger.sent(log, offset)
      }
      this.#world.tempt()
    } catch (error) {
      if (!isPortalError(error)) throw error
      this.#world.count(`fleeting send ${error.code}`, 1)
      const expected = ['TIMEOUT', 'SEQUENCE_REFUSED', 'STORAGE_FULL', 'CORRUPT'].includes(error.code)
      check(expected, () => `a send to ${FLEETING} was refused: ${error.code} ${error.message}`)
    } finally {
      this.#sending--
    }
  }

  async #consume(connection: RemoteConnection): Promise<void> {
    const { scheduler } = this.#world
    const consumer = new Consumer<string>(connection, FLEETING, {
      group: FLEETING_GROUP,
      ...this.#world.settingsOf(FLEETING_GROUP),
      lease: 2_000,
    })
    for (;;) {
      const stop = new AbortController()
      if (!this.#world.healing) scheduler.after(scheduler.random() * 30_000, () => stop.abort())
      try {
        await consumer.run((message) => this.#handle(message), { concurrency: 2, signal: stop.signal })
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`fleeting run ${error.code}`, 1)
      }
      await scheduler.sleep(scheduler.random() * 300)
    }
  }

  async #handle(message: Message<string>): Promise<void> {
    const { scheduler, audit } = this.#world
    const { partition, offset, value } = message
    const log = this.#believe(partition, offset, value)
    this.#world.count('fleeting run', 1)
    if (!this.#world.healing && scheduler.chance(0.1)) throw new Error('because')
    await scheduler.sleep(scheduler.random() * 100)
    const generation = log === undefined ? undefined : audit.ledger.generationOf(log, FLEETING_GROUP)
    try {
      await message.ack()
    } catch (error) {
      if (!isPortalError(error)) throw error
      this.#world.count(`fleeting ack ${error.code}`, 1)
      return
    }
    if (log !== undefined) audit.ledger.acked(log, FLEETING_GROUP, generation, offset)
  }

  async #read(connection: RemoteConnection): Promise<void> {
    const { scheduler } = this.#world
    for (;;) {
      const began = scheduler.now
      const positions: number[] = []
      try {
        for await (const message of new Reader<string>(connection, FLEETING, { live: true })) {
          const { partition, offset, value } = message
          check(
            offset >= (positions[partition] ?? 0),
            () => `${FLEETING}/${partition}: a reader that was at ${positions[partition]} is shown ${offset}`,
          )
          positions[partition] = offset + 1
          this.#believe(partition, offset, value)
          this.#world.count('fleeting read', 1)
          if (!this.#world.healing && scheduler.chance(0.02)) break
        }
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`fleeting read ${error.code}`, 1)
        check(error.code !== 'OFFSET_OUT_OF_RANGE', () => `[7] ${FLEETING}: ${error.message}`)
        check(
          error.code !== 'TOPIC_NOT_FOUND' || this.#wasDeleted(began - TOLD),
          () => `[11] ${FLEETING}: ${error.message}`,
        )
      }
      await scheduler.sleep(scheduler.random() * 500)
    }
  }

  /** It was written so to a topic of this name; if that is still there it is committed. Returns its log then. */
  #believe(partition: number, offset: number, value: string): string | undefined {
    const { audit } = this.#world
    const logs = this.#logs(partition).filter((log) => audit.writtenValues.at(log, offset).has(value))
    check(
      logs.length > 0,
      () => `[12] ${value} is shown at ${FLEETING}/${partition} ${offset}, where no such topic has it`,
    )
    const live = logs.find((log) => !audit.ledger.isBuried(log))
    if (live !== undefined) audit.ledger.promise({ type: 'stored', log: live, offset, value })
    return live
  }

  #isDuplicate(partition: number, offset: number, id: string | undefined): void {
    const { writtenValues } = this.#world.audit
    const isKnown = this.#logs(partition).some((log) =>
      [...writtenValues.at(log, offset)].some((value) => value.endsWith(` ${id}`)),
    )
    check(
      isKnown,
      () => `[16] ${FLEETING}/${partition} ${offset} is called a message of id ${id}, and is none`,
    )
  }

  #wasDeleted(since: number): boolean {
    const { documents, deletedAt } = this.#world.audit
    return documents.named(FLEETING).some((id) => (deletedAt.get(id) ?? Number.NEGATIVE_INFINITY) >= since)
  }

  #logs(partition: number): string[] {
    return this.#world.audit.documents.named(FLEETING).map((id) => `${id}/${partition}`)
  }
}
