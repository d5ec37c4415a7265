import { Message } from '../../src/client/consumer/message.js'
import { connect } from '../../src/http.js'
import { Admin, Consumer, isPortalError, Producer, Reader } from '../../src/index.js'
import { within } from './broker-process.js'
import { type Handling, Ledger, type Value } from './ledger.js'

export interface LoadOptions {
  readonly urls: readonly string[]
  /** @default 'load' */
  readonly topic?: string | undefined
  /** @default 3 */
  readonly partitions?: number | undefined
  readonly producers?: number | undefined
  readonly consumers?: number | undefined
  /** Messages a second of each producer. @default 60 */
  readonly rate?: number | undefined
  /** Milliseconds after which a send is given up. @default 20,000 */
  readonly deliveryTimeout?: number | undefined
  /** Who the clients are. @default nobody */
  readonly token?: string | undefined
  /** In [0, 1). */
  readonly random: () => number
}

const GROUP = 'workers'
/** Milliseconds. */
const LEASE = 4_000
/**
 * The most messages that one consumer holds: those whose leases end without word, as in every longer outage, are delivered one by one afterwards
 * (invariant 22).
 */
const PREFETCH = 64
/** The most sends of one producer that wait for an answer. */
const MOST_UNDER_WAY = 3_000
/** Milliseconds, more than a consumer is given to close. */
const CLOSE_LIMIT = 90_000
const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

/** Producers that send at a steady rate, and consumers that settle what comes, all of which write what they see into a ledger. */
export class Load {
  readonly ledger: Ledger
  readonly topic: string
  readonly partitions: number
  readonly admin: Admin
  readonly #options: LoadOptions
  readonly #connections = new Set<ReturnType<typeof connect>>()
  readonly #producers: { readonly stop: () => Promise<void> }[] = []
  readonly #workers: Worker[] = []
  #names = 0
  /** Whatever ends now was ended by us. */
  #closed = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.topic = options.topic ?? 'load'
    this.partitions = options.partitions ?? 3
    this.ledger = new Ledger(this.partitions)
    this.admin = new Admin(this.#connect())
  }

  /** Makes the topic and starts all. Resolves when every partition has acknowledged something. */
  async start(): Promise<void> {
    const { producers = 2, consumers = 3 } = this.#options
    const { partitions } = this
    // The broker that is asked, or others, may be without a session with ZooKeeper just now.
    const making = async () => {
      try {
        await this.admin.createTopic(this.topic, { partitions, replicas: 3, minInSync: 2 })
      } catch (error) {
        if (isPortalError(error, 'DISCONNECTED', 'NOT_ENOUGH_REPLICAS', 'TIMEOUT')) return false
        if (!isPortalError(error, 'TOPIC_EXISTS')) throw error
      }
      return true
    }
    await until(making, 60_000, 'The topic to be made')
    await this.admin.createGroup(this.topic, GROUP, { maxDeliveries: 1_000, deadLetter: false })
    for (let at = 0; at < consumers; at++) this.#startConsumer()
    for (let at = 0; at < producers; at++) this.#startProducer(`p${at + 1}`)
    await this.untilFlowing(performance.now(), 60_000)
  }

  /** Resolves when every partition has acknowledged something that was sent after `since`, in the right order of things. */
  async untilFlowing(since: number, timeout: number): Promise<void> {
    const flows = () => {
      const { acknowledgements } = this.ledger
      const flowing = new Set<number>()
      for (let at = acknowledgements.length - 1; at >= 0 && acknowledgements[at]!.at > since; at--) {
        const { partition, at: time, took } = acknowledgements[at]!
        if (time - took > since) flowing.add(partition)
      }
      return flowing.size === this.partitions
    }
    await until(flows, timeout, 'All partitions to acknowledge')
  }

  /** Resolves when all replicas of all partitions are in sync again. */
  async untilInSync(timeout: number): Promise<void> {
    let seen = ''
    const inSync = async () => {
      try {
        const { partitions } = await this.admin.describeTopic(this.topic)
        seen = partitions.map(({ leader, inSync: names }) => `${leader?.id}: ${names.length}`).join(', ')
        return partitions.every(({ leader, inSync: names }) => leader != null && names.length === 3)
      } catch (error) {
        seen = String(error)
        return false
      }
    }
    await until(inSync, timeout, () => `All replicas to be in sync (now ${seen})`)
  }

  /** One consumer is gone without a word; another comes. */
  replaceConsumer(): void {
    const worker = this.#workers.splice(Math.floor(this.#options.random() * this.#workers.length), 1)[0]
    worker?.abandon()
    this.#startConsumer()
  }

  /**
   * Ends the load: no more sends, all answers awaited, everything consumed, everything read. Then the ledger judges. `timeout`: for how long
   * nothing may be settled meanwhile (ms).
   */
  async finish(timeout: number): Promise<void> {
    await Promise.all(this.#producers.map(({ stop }) => stop()))
    try {
      await this.#untilDrained(timeout)
    } catch (error) {
      this.ledger.violate(String(error))
    }
    await Promise.all(this.#workers.map((worker) => worker.stop()))
    try {
      const logs = await Promise.all(Array.from({ length: this.partitions }, (_, at) => this.#readAll(at)))
      this.ledger.judge(logs)
    } catch (error) {
      this.ledger.violate(`Reading in the end failed: ${String(error)}`)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const worker of this.#workers) worker.abandon()
    await Promise.all([...this.#connections].map((connection) => connection.close()))
  }

  #connect() {
    const connection = connect([...this.#options.urls], {
      timeout: 3_000,
      logger: QUIET,
      token: this.#options.token,
    })
    this.#connections.add(connection)
    return connection
  }

  #startProducer(name: string): void {
    const { rate = 60, deliveryTimeout = 20_000 } = this.#options
    const producer = new Producer(this.#connect(), { deliveryTimeout })
    let number = 0
    let underWay = 0
    const timer = setInterval(() => {
      if (underWay >= MOST_UNDER_WAY) return
      const value: Value = { producer: name, number }
      const partition = number++ % this.partitions
      underWay++
      this.ledger.sent(value, partition)
      producer.send(this.topic, value, { partition }).then(
        ({ offset }) => {
          underWay--
          this.ledger.acknowledged(value, offset)
        },
        (error: unknown) => {
          underWay--
          this.ledger.undecided(value)
          if (!this.#closed && !isPortalError(error, 'TIMEOUT'))
            this.ledger.violate(`A send of ${name} was rejected with ${String(error)}.`)
        },
      )
    }, 1_000 / rate)
    this.#producers.push({
      stop: async () => {
        clearInterval(timer)
        await within(deliveryTimeout + 10_000, `All sends of ${name} to be decided`, producer.close()).catch(
          (error: unknown) => this.ledger.violate(`${String(error)} ${underWay} are under way.`),
        )
      },
    })
  }

  #startConsumer(): void {
    const name = `c${++this.#names}`
    this.#workers.push(new Worker(name, this.topic, this.#connect(), this.ledger, this.#options.random))
  }

  /** Rejects when nothing has been settled for so many milliseconds: how fast it goes is for the machine to say. */
  async #untilDrained(timeout: number): Promise<void> {
    let seen = ''
    let least = Number.POSITIVE_INFINITY
    const progressed = async () => {
      try {
        const { partitions } = await this.admin.describeGroup(this.topic, GROUP)
        seen = partitions.map(({ lag }) => lag).join(', ')
        const lag = partitions.reduce((sum, partition) => sum + partition.lag, 0)
        if (partitions.length < this.partitions || lag >= least) return false
        least = lag
        return true
      } catch (error) {
        seen = String(error)
        return false
      }
    }
    while (least > 0) await until(progressed, timeout, () => `More to be settled (lag ${seen})`)
  }

  async #readAll(partition: number): Promise<{ offset: number; value: Value }[]> {
    const read: { offset: number; value: Value }[] = []
    const reader = new Reader<Value>(this.#connect(), this.topic, { partition, from: 0 })
    for await (const { offset, value } of reader) read.push({ offset, value })
    return read
  }
}

/** A consumer that takes a moment for each message, fails now and then, and acks the rest. */
class Worker {
  readonly #consumer: Consumer<Value>
  readonly #running: Promise<void>
  readonly #connection: { close(): Promise<void> }
  readonly #name: string
  readonly #ledger: Ledger
  #abandoned = false
  /** Asked for, and not answered. */
  #acks = 0

  constructor(
    name: string,
    topic: string,
    connection: ReturnType<typeof connect>,
    ledger: Ledger,
    random: () => number,
  ) {
    this.#name = name
    this.#ledger = ledger
    this.#connection = connection
    this.#consumer = new Consumer<Value>(connection, topic, {
      group: GROUP,
      lease: LEASE,
      prefetch: PREFETCH,
    })
    this.#running = this.#consumer.run(
      async (message) => {
        const { value, signal, deliveryCount: count } = message
        if (this.#abandoned) return
        const handling = ledger.delivered(message, value, { consumer: name, count, lease: leaseOf(message) })
        if (signal.aborted) handling.over()
        signal.addEventListener('abort', handling.over, { once: true })
        const chance = random()
        // Now and then longer than a lease lasts: `run` renews it.
        await new Promise((resolve) => setTimeout(resolve, chance < 0.002 ? LEASE * 1.5 : chance * 20))
        // The work is done: whoever gets the message from here on does not work on it beside this one.
        handling.over()
        if (this.#abandoned) return
        if (chance > 0.97)
          await message.nack({ delay: 200 }).catch((error) => this.#settledNot(message, error))
        else await this.#ack(message, handling)
      },
      { concurrency: 8 },
    )
    this.#running.catch((error: unknown) => {
      if (!this.#abandoned) ledger.violate(`Consumer ${name} ended with ${String(error)}.`)
    })
  }

  async #ack(message: Message<Value>, handling: Handling): Promise<void> {
    this.#acks++
    try {
      await message.ack()
      handling.acked()
    } catch (error) {
      if (isPortalError(error, 'LEASE_LOST')) handling.ackLost(`${error.message} ${error.cause ?? ''}`)
      else {
        handling.ackUndecided()
        this.#settledNot(message, error)
      }
    } finally {
      this.#acks--
    }
  }

  #settledNot({ partition, offset }: Message, error: unknown): void {
    if (isPortalError(error, 'LEASE_LOST', 'CLOSED', 'DISCONNECTED', 'TIMEOUT', 'ABORTED')) return
    this.#ledger.violate(`A settlement of ${partition}/${offset} was rejected with ${String(error)}.`)
  }

  /** As if its process had died: nothing is given back. */
  abandon(): void {
    this.#abandoned = true
    void this.#connection.close()
  }

  async stop(): Promise<void> {
    try {
      await within(CLOSE_LIMIT, `Consumer ${this.#name} to close`, this.#consumer.close({ timeout: 60_000 }))
      // Each has been told by now: what waits for it is a turn of this process away.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#acks > 0)
        this.#ledger.violate(`Consumer ${this.#name} closed before ${this.#acks} of its acks had resolved.`)
    } catch (error) {
      this.#ledger.violate(String(error))
    }
    await this.#running.catch(() => {})
  }
}

/** Its lease's place in the order of all leases of its partition. */
function leaseOf(message: Message): number {
  return Message.batchOf(message).lease.token.index
}

/** Polls until it holds. */
export async function until(
  test: () => boolean | Promise<boolean>,
  timeout: number,
  what: string | (() => string),
): Promise<void> {
  const end = performance.now() + timeout
  while (!(await test())) {
    if (performance.now() > end) {
      const text = typeof what === 'string' ? what : what()
      throw new Error(`${text}: not within ${Math.round(timeout / 1_000)} seconds.`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
