import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as portalHttp from '../../../src/http.js'
import type * as portal from '../../../src/index.js'

/** Clients of one build that send and consume all the time: what each send came to, and what was consumed. */
export class Traffic {
  readonly sent: number[] = []
  readonly failed: unknown[] = []
  readonly #producer: portal.Producer
  readonly #consumer: portal.Consumer<number>
  readonly #topic: string
  readonly #sends: Promise<void>[] = []
  readonly #running: Promise<unknown>
  readonly #timer: ReturnType<typeof setInterval>
  #next: number

  /** Sends the numbers from `first` on; `take` gets what is consumed. */
  static async start(
    dist: string,
    urls: readonly string[],
    topic: string,
    first: number,
    take: (value: number) => void,
  ): Promise<Traffic> {
    const load = (file: string) => import(/* @vite-ignore */ pathToFileURL(join(dist, file)).href)
    const { Producer, Consumer } = (await load('index.js')) as typeof portal
    const { connect } = (await load('http.js')) as typeof portalHttp
    const remote = connect(urls)
    return new Traffic(
      new Producer(remote),
      new Consumer<number>(remote, topic, { group: 'all' }),
      topic,
      first,
      take,
    )
  }

  private constructor(
    producer: portal.Producer,
    consumer: portal.Consumer<number>,
    topic: string,
    first: number,
    take: (value: number) => void,
  ) {
    this.#producer = producer
    this.#consumer = consumer
    this.#topic = topic
    this.#next = first
    this.#running = consumer.run(async ({ value }) => take(value))
    this.#timer = setInterval(() => this.#send(), 10)
  }

  /** Resolves once every send has come to something. */
  async stopSending(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#sends)
    await this.#producer.close()
  }

  async stopConsuming(): Promise<void> {
    await this.#consumer.close()
    await this.#running
  }

  #send(): void {
    const value = this.#next++
    const send = this.#producer.send(this.#topic, value, { key: String(value) })
    this.#sends.push(
      send.then(
        () => void this.sent.push(value),
        (error: unknown) => void this.failed.push(error),
      ),
    )
  }
}
