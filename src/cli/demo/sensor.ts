import { setTimeout as sleep } from 'node:timers/promises'
import type { Producer } from '../../index.js'
import type { Ledger, Reading } from './ledger.js'

/** How often a sensor catches up with its rate (ms). */
const BEAT = 20

/** Replays a city's temperatures to its topic. */
export class Sensor {
  readonly topic: string
  readonly city: string
  /** What it measured last, the newest at the end. */
  readonly recent: number[] = []
  /** Readings that were given to the producer. */
  count = 0
  readonly #producer: Producer
  readonly #ledger: Ledger
  readonly #temperatures: readonly number[]

  constructor(
    producer: Producer,
    ledger: Ledger,
    topic: string,
    city: string,
    temperatures: readonly number[],
  ) {
    this.#producer = producer
    this.#ledger = ledger
    this.topic = topic
    this.city = city
    this.#temperatures = temperatures
  }

  /** Sends `rate` readings a second for `duration` ms, or until the signal aborts. Resolves when all of them are stored. */
  async send(duration: number, rate: number, signal: AbortSignal): Promise<void> {
    const started = performance.now()
    const sends: Promise<void>[] = []
    for (;;) {
      const elapsed = Math.min(performance.now() - started, duration)
      const due = Math.floor((elapsed * rate) / 1_000)
      while (this.count < due) sends.push(this.#sendNext())
      if (elapsed >= duration || signal.aborted) break
      await sleep(BEAT)
    }
    await Promise.all(sends)
  }

  async #sendNext(): Promise<void> {
    const number = this.count++
    const celsius = this.#temperatures[number % this.#temperatures.length]!
    this.recent.push(celsius)
    if (this.recent.length > 120) this.recent.shift()
    const reading: Reading = { run: this.#ledger.run, number, city: this.city, celsius }
    await this.#producer.send(this.topic, reading)
    this.#ledger.stored(this.topic, number)
  }
}
