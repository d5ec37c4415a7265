import { Lock } from '../../src/client/lock.js'
import { Producer } from '../../src/client/producer/producer.js'
import { Reader } from '../../src/client/reader/reader.js'
import type { RemoteConnection } from '../../src/connect.js'
import { isPortalError } from '../../src/core/errors.js'
import type { FarProcess, NetworkWorld } from './client-world.js'
import { Door } from './door.js'
import { check } from './violation.js'

/** Of two partitions, where messages with these keys are. */
const KEYS = [
  ['red', 'blue'],
  ['green', 'white'],
] as const
/** Longer than an answer is on its way, or a commit (ms). */
export const UNDER_WAY = 10_000
/** Milliseconds after which a send gives up, unless it is said otherwise. */
const DELIVERY = 20_000
/** Timers may be so late (ms). */
const LATE = 100

/** The library's clients at the other end of the network. They outlive the broker's lives. */
export class NetworkClients {
  /** Sends that have neither resolved nor rejected. */
  #sending = 0
  /** Where each reader is, by partition. */
  readonly #readers: number[][] = []
  /** What they were not shown, and only the end can tell why. */
  readonly #missing: { readonly log: string; readonly offset: number }[] = []
  /** What was sent and said not to be stored. */
  readonly #refused = new Set<string>()
  /** How often each has had the lock since all has healed. */
  readonly #turns: number[] = []
  readonly #door: Door
  readonly #world: NetworkWorld

  constructor(world: NetworkWorld) {
    this.#world = world
    this.#door = new Door(world)
  }

  /** What is not done yet, though nothing hinders it; undefined: all is. */
  unfinished(): string | undefined {
    const { auditor } = this.#world
    if (this.#sending > 0) return `${this.#sending} sends have no answer`
    for (const [reader, positions] of this.#readers.entries()) {
      for (const [partition, next] of positions.entries()) {
        const log = this.#world.auditor.logOf('plain', partition)
        const last = log === undefined ? undefined : auditor.audit(log).lastStored()
        if (last !== undefined && next <= last)
          return `reader ${reader} of partition ${partition} is at ${next}, and has not read ${last}`
      }
    }
    const waiting = this.#turns.indexOf(0)
    return waiting < 0 ? undefined : `client ${waiting} of the lock has not had it`
  }

  /** Sends, and holds each answer against the log. */
  async produce(connection: RemoteConnection, name: string, deliveryTimeout = DELIVERY): Promise<void> {
    const { scheduler } = this.#world
    const producer = new Producer(connection, { deliveryTimeout })
    for (let serial = 0; this.#world.producing; ) {
      for (let left = scheduler.whole(1, 4); left > 0; left--)
        scheduler.spawn(this.#send(producer, `${name}#${serial}`, serial++, deliveryTimeout))
      await scheduler.sleep(scheduler.random() * 800 * this.#world.pace)
    }
  }

  /** To a partition by its number, or by one of two keys. */
  async #send(producer: Producer, value: string, serial: number, deliveryTimeout: number): Promise<void> {
    const world = this.#world
    const partition = world.scheduler.whole(0, 1)
    const key = KEYS[partition]![serial % 3]
    const { now } = world.scheduler
    this.#sending++
    try {
      const sent = await producer.send('plain', value, key === undefined ? { partition } : { key })
      check(
        sent.partition === partition,
        () => `[26] ${value} with the key ${key} is in partition ${sent.partition}, not in ${partition}`,
      )
      const log = world.auditor.logOf('plain', sent.partition)!
      world.trace.line(`sent ${value} at ${sent.partition}/${sent.offset}`)
      world.auditor.promise({ type: 'stored', log, offset: sent.offset, value })
      world.auditor.sent(log, sent.offset)
      world.count('network sent', 1)
      world.tempt()
    } catch (error) {
      if (!isPortalError(error)) throw error
      world.count(`network send ${error.code}`, 1)
      const expected = ['TIMEOUT', 'SEQUENCE_REFUSED', 'STORAGE_FULL', 'CORRUPT'].includes(error.code)
      check(expected, () => `a send was refused: ${error.code} ${error.message}`)
      if (/(is|are) not stored/.test(error.message)) {
        world.count('network send not stored', 1)
        this.#refused.add(value)
      }
    } finally {
      this.#sending--
    }
    const took = world.scheduler.now - now
    check(
      took <= deliveryTimeout + LATE,
      () => `${value} was decided after ${took} ms, its deliveryTimeout is ${deliveryTimeout}`,
    )
  }

  /** Follows the log: every message in order, and only what was trimmed is missing. */
  async read(connection: RemoteConnection, partition: number | undefined): Promise<void> {
    const { scheduler, auditor } = this.#world
    const positions: number[] = []
    this.#readers.push(positions)
    for (;;) {
      const from = partition === undefined ? 'earliest' : (positions[partition] ?? 'earliest')
      if (from === 'earliest') positions.length = 0
      try {
        for await (const message of new Reader<string>(connection, 'plain', {
          live: true,
          partition,
          from,
        })) {
          const { offset } = message
          const log = this.#world.auditor.logOf('plain', message.partition)!
          const next = positions[message.partition] ?? 0
          check(offset >= next, () => `${log}: a reader that was at ${next} is shown ${offset}`)
          for (let missed = next; missed < offset; missed++) this.#missed(log, missed)
          auditor.promise({ type: 'stored', log, offset, value: message.value })
          positions[message.partition] = offset + 1
          this.#world.count('network read', 1)
          if (!this.#world.healing && scheduler.chance(0.01)) break
        }
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`network read ${error.code}`, 1)
        // Above the end: never, since what was shown stays. Nor is this topic ever deleted.
        check(error.code !== 'OFFSET_OUT_OF_RANGE', () => `[7] ${error.message}`)
        check(error.code !== 'TOPIC_NOT_FOUND', () => `[11] ${error.message}`)
      }
      await scheduler.sleep(scheduler.random() * 500)
    }
  }

  /** A reader was not shown a message: it was trimmed. */
  #missed(log: string, offset: number): void {
    const excuse = this.#world.excuse(log)
    if (excuse === undefined) this.#missing.push({ log, offset })
    else {
      this.#world.scheduler.after(UNDER_WAY, () => {
        if (!excuse()) this.#checkTrimmed(log, offset)
      })
    }
  }

  #checkTrimmed(log: string, offset: number): void {
    check(
      this.#world.auditor.network.wasTrimmed(log, offset),
      () => `${log}: a reader was shown what comes after ${offset}, and never that`,
    )
  }

  /** Takes a lock again and again, stands still over it at times, and uses what it protects. */
  async lock({ connection, life }: FarProcess): Promise<void> {
    const { scheduler } = this.#world
    const lock = new Lock(connection, 'door', { ttl: scheduler.whole(500, 3_000) })
    const me = this.#turns.push(0) - 1
    for (;;) {
      await scheduler.sleep(scheduler.random() * 1_000 * this.#world.pace)
      const waited = this.#door.begin()
      this.#world.trace.line(`lock: ${me} asks for it`)
      const stop = new AbortController()
      if (!this.#world.healing && scheduler.chance(0.1))
        scheduler.after(scheduler.random() * 3_000, () => stop.abort())
      try {
        const held = scheduler.chance(0.2)
          ? await lock.tryAcquire()
          : await lock.acquire({ signal: stop.signal })
        if (held === null) continue
        this.#world.trace.line(`lock: ${me} has token ${held.token}`)
        const holder = this.#door.opened(held, waited)
        if (this.#world.healing) this.#turns[me]!++
        this.#world.count('network locked', 1)
        if (!this.#world.healing && scheduler.chance(0.1)) {
          holder.pauses()
          life.freeze()
          await scheduler.sleep(scheduler.random() * scheduler.pick([1_000, 10_000]))
          // It goes on where it was, and knows nothing yet of what happened meanwhile.
          this.#door.use(holder)
          life.thaw()
        }
        await scheduler.sleep(scheduler.random() * 2_000)
        this.#door.use(holder)
        if (held.signal.aborted) this.#world.count('network lock lost', 1)
        holder.leaves()
        await held.release()
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`network lock ${error.code}`, 1)
        this.#world.trace.line(`lock: ${me} has it not: ${error.code} ${error.message}`)
      }
    }
  }

  /** Once all is known: what readers were not shown was trimmed. */
  checkMissing(): void {
    for (const { log, offset } of this.#missing) this.#checkTrimmed(log, offset)
  }

  /** No send is stored twice, answered or not (invariant 14). */
  checkOnce(): void {
    const seen = new Map<string, string>()
    for (const partition of [0, 1]) {
      const log = this.#world.auditor.logOf('plain', partition)
      if (log === undefined) continue
      for (const [offset, value] of this.#world.auditor.audit(log).values.entries()) {
        const before = seen.get(value)
        check(
          before === undefined,
          () => `[14] ${value} is stored at ${before} and at ${partition}/${offset}`,
        )
        seen.set(value, `${partition}/${offset}`)
        const refused = this.#refused.has(value)
        check(
          !refused,
          () => `[16] ${value} is stored at ${partition}/${offset}, its sender was told that it is not`,
        )
      }
    }
  }
}
