import { Lock } from '../../src/client/lock.js'
import { Producer } from '../../src/client/producer/producer.js'
import { Reader } from '../../src/client/reader/reader.js'
import type { RemoteConnection } from '../../src/connect.js'
import { isPortalError } from '../../src/core/errors.js'
import { check } from './violation.js'
import type { World } from './world.js'

/** Longer than an answer is on its way, or a commit (ms). */
const UNDER_WAY = 10_000

/** The library's clients at the other end of the network. They outlive the broker's lives. */
export class NetworkClients {
  /** Sends that have neither resolved nor rejected. */
  #sending = 0
  /** Where each reader is, by partition. */
  readonly #readers: number[][] = []
  /** The highest token that an `acquire` resolved to. */
  #highestToken = 0
  readonly #tokens = new Set<number>()
  /** How often each has had the lock since all has healed. */
  readonly #turns: number[] = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
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
  async produce(connection: RemoteConnection, name: string): Promise<void> {
    const { scheduler } = this.#world
    const producer = new Producer(connection, { deliveryTimeout: 20_000 })
    for (let serial = 0; this.#world.producing; ) {
      for (let left = scheduler.whole(1, 4); left > 0; left--)
        scheduler.spawn(this.#send(producer, `${name}#${serial++}`))
      await scheduler.sleep(scheduler.random() * 800)
    }
  }

  async #send(producer: Producer, value: string): Promise<void> {
    const world = this.#world
    this.#sending++
    try {
      const sent = await producer.send('plain', value, { partition: world.scheduler.whole(0, 1) })
      const log = world.auditor.logOf('plain', sent.partition)!
      world.trace.line(`sent ${value} at ${sent.partition}/${sent.offset}`)
      world.auditor.promise({ type: 'stored', log, offset: sent.offset, value })
      world.count('network sent', 1)
      world.tempt()
    } catch (error) {
      if (!isPortalError(error)) throw error
      world.count(`network send ${error.code}`, 1)
      const expected = ['TIMEOUT', 'SEQUENCE_REFUSED', 'STORAGE_FULL', 'CORRUPT'].includes(error.code)
      check(expected, () => `a send was refused: ${error.code} ${error.message}`)
    } finally {
      this.#sending--
    }
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
        // Above the end: never, since what was shown stays.
        check(error.code !== 'OFFSET_OUT_OF_RANGE', () => `[7] ${error.message}`)
      }
      await scheduler.sleep(scheduler.random() * 500)
    }
  }

  /**
   * A reader was not shown a message: it was trimmed. Readers see a trim as soon as it is on its way to the disk, so it may be written a little
   * later, unless the broker dies over it.
   */
  #missed(log: string, offset: number): void {
    const { auditor, scheduler } = this.#world
    const { life } = auditor
    const isFresh = scheduler.now - auditor.livesSince < UNDER_WAY
    scheduler.after(UNDER_WAY, () => {
      const isExcused = isFresh || auditor.life !== life
      const holds = isExcused || auditor.network.wasTrimmed(log, offset)
      check(holds, () => `${log}: a reader was shown what comes after ${offset}, and never that`)
    })
  }

  /** Takes a lock again and again: whoever begins to wait after somebody got a token gets a higher one. */
  async lock(connection: RemoteConnection): Promise<void> {
    const { scheduler } = this.#world
    const lock = new Lock(connection, 'door', { ttl: scheduler.whole(500, 3_000) })
    const me = this.#turns.push(0) - 1
    for (;;) {
      await scheduler.sleep(scheduler.random() * 1_000)
      const highest = this.#highestToken
      const stop = new AbortController()
      if (!this.#world.healing && scheduler.chance(0.1))
        scheduler.after(scheduler.random() * 3_000, () => stop.abort())
      try {
        const held = scheduler.chance(0.2)
          ? await lock.tryAcquire()
          : await lock.acquire({ signal: stop.signal })
        if (held === null) continue
        const { token } = held
        this.#world.trace.line(`lock: ${me} has token ${token}`)
        check(!this.#tokens.has(token), () => `the token ${token} was given twice`)
        check(token > highest, () => `the token ${token} was given after ${highest}`)
        this.#tokens.add(token)
        this.#highestToken = Math.max(this.#highestToken, token)
        if (this.#world.healing) this.#turns[me]!++
        this.#world.count('network locked', 1)
        await scheduler.sleep(scheduler.random() * 2_000)
        if (held.signal.aborted) this.#world.count('network lock lost', 1)
        await held.release()
      } catch (error) {
        if (!isPortalError(error)) throw error
        this.#world.count(`network lock ${error.code}`, 1)
      }
    }
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
      }
    }
  }
}
