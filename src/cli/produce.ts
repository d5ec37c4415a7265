import { once } from 'node:events'
import { PortalError, Producer } from '../index.js'
import { readLines } from './lines.js'
import { interruption, type Target, withBroker } from './open.js'
import { Progress } from './progress.js'

/** How many sends may be under way: enough to fill the commits, few enough to hold in memory. */
const UNDER_WAY = 50_000

export interface ProduceOptions extends Target {
  readonly json?: boolean
  readonly key?: string
}

/** Sends each line of stdin. Ends when stdin does, or at an interruption, once everything sent is on the disk. */
export async function produce(topic: string, options: ProduceOptions): Promise<void> {
  const stop = interruption()
  const progress = new Progress('sent')
  try {
    await withBroker(options, async (broker) => {
      const producer = new Producer(broker)
      const sender = new Sender(producer, topic, options, progress)
      try {
        for await (const lines of readLines(process.stdin, stop.signal)) {
          for (const line of lines) sender.send(line)
          await sender.room()
        }
        await sender.finish()
      } finally {
        // A line that cannot be sent takes none of those before it along.
        await producer.close()
      }
    })
  } finally {
    progress.end()
    stop.stop()
  }
}

class Sender {
  readonly #producer: Producer
  readonly #topic: string
  readonly #options: ProduceOptions
  readonly #progress: Progress
  #line = 0
  #underWay = 0
  #error: unknown
  #wake = new EventTarget()

  constructor(producer: Producer, topic: string, options: ProduceOptions, progress: Progress) {
    this.#producer = producer
    this.#topic = topic
    this.#options = options
    this.#progress = progress
  }

  send(line: string): void {
    this.#line++
    const value = this.#options.json ? parse(line, this.#line) : line
    this.#underWay++
    this.#producer.send(this.#topic, value, { key: this.#options.key }).then(this.#done, this.#failed)
  }

  /** Waits until not too much is under way. Throws what a send failed with. */
  async room(): Promise<void> {
    while (this.#underWay > UNDER_WAY >> 1 && this.#error === undefined) await once(this.#wake, 'change')
    if (this.#error !== undefined) throw this.#error
  }

  async finish(): Promise<void> {
    while (this.#underWay > 0 && this.#error === undefined) await once(this.#wake, 'change')
    if (this.#error !== undefined) throw this.#error
  }

  readonly #done = () => {
    this.#progress.add(1)
    this.#ended()
  }

  readonly #failed = (error: unknown) => {
    this.#error ??= error
    this.#ended()
  }

  #ended(): void {
    this.#underWay--
    if (this.#underWay === 0 || this.#underWay === UNDER_WAY >> 1 || this.#error !== undefined) {
      this.#wake.dispatchEvent(new Event('change'))
    }
  }
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `Line ${number} is no JSON: leave --json out to send lines as text.`,
      { cause },
    )
  }
}
