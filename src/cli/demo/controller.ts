import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, Consumer, isPortalError, type Message } from '../../index.js'
import type { Ledger, Reading } from './ledger.js'

/** Short, so that what a dead controller held comes back while somebody watches (ms). */
const LEASE = 2_000
/** What fails at its first delivery comes back soon (ms). */
const BACKOFF = { initial: 250, max: 2_000 }
/** One reading in so many fails at its first delivery. */
const FAILS = 25

/** Takes readings of one topic, in competition with its like; fails now and then; can be killed. */
export class Controller {
  readonly topic: string
  readonly name: string
  handled = 0
  failed = 0
  state: 'working' | 'dead' | 'done' = 'working'
  readonly #consumer: Consumer<Reading>
  readonly #ledger: Ledger
  readonly #effort: number
  readonly #hands: number
  /** Of a settlement. */
  #failure: unknown

  /**
   * `hands`: readings that it works on at a time; a receive and an ack each take as long as a disk does, or several. `busy`: the share of their time
   * for which three controllers of a topic work, with `rate` readings a second.
   */
  constructor(
    broker: Connection,
    ledger: Ledger,
    topic: string,
    name: string,
    rate: number,
    { hands = 1, busy = 0.5 } = {},
  ) {
    this.topic = topic
    this.name = name
    this.#ledger = ledger
    this.#effort = Math.min(3_000 / rate, 400) * busy * hands
    this.#hands = hands
    this.#consumer = new Consumer<Reading>(broker, topic, {
      group: 'controllers',
      consumerId: name,
      lease: LEASE,
      backoff: BACKOFF,
    })
  }

  /** Works until it is stopped or killed. */
  async work(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.#hands }, () => this.#take()))
    } catch (error) {
      if (!isPortalError(error, 'CLOSED')) throw error
    }
  }

  /** Dies with a message in hand: nothing is settled, nothing given back. Its lease has to end by itself. */
  kill(): void {
    this.state = 'dead'
  }

  /** Ends it, and waits for nothing: a dead one still holds its message. */
  stop(): void {
    if (this.state === 'working') this.state = 'done'
    void this.#consumer.close({ timeout: 0 })
  }

  async #take(): Promise<void> {
    while (this.state === 'working') {
      await this.#handle(await this.#consumer.receive())
      if (this.#failure !== undefined) throw this.#failure
    }
  }

  async #handle(message: Message<Reading>): Promise<void> {
    if (message.value.run === this.#ledger.run) {
      this.#ledger.delivered++
      if (message.deliveryCount > 1) this.#ledger.redelivered++
    }
    await sleep(this.#effort)
    if (this.state === 'dead') return
    const { run, number } = message.value
    if (number % FAILS === 7 && message.deliveryCount === 1) {
      this.failed++
      if (run === this.#ledger.run) this.#ledger.failed++
      this.#settle(message.nack({ reason: 'the controller failed on purpose' }))
      return
    }
    this.#settle(
      message.ack().then(() => {
        this.handled++
        if (run === this.#ledger.run) this.#ledger.acked(this.topic, number)
      }),
    )
  }

  /** The next message need not wait until this one is settled on disk. */
  #settle(settled: Promise<unknown>): void {
    settled.catch((error: unknown) => {
      // A lease that has ended in the meantime: another controller gets the message.
      if (!isPortalError(error, 'CLOSED', 'LEASE_LOST')) this.#failure = error
    })
  }
}
