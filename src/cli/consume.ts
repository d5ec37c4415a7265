import { Admin, type Connection, Consumer, type Message, PortalError, Reader } from '../index.js'
import { formatMessage, type PrintableMessage } from './format.js'
import { interruption, type Target, withBroker } from './open.js'
import { Output } from './output.js'
import { Progress } from './progress.js'

/** How long nothing must have come before a group's lag is looked at (ms). */
const QUIET = 200

export interface ConsumeOptions extends Target {
  readonly group?: string
  readonly count?: number
  readonly from: string
  readonly json?: boolean
  readonly follow?: boolean
}

/** Prints messages; with a group, acknowledges what was printed. */
export async function consume(topic: string, options: ConsumeOptions): Promise<void> {
  const stop = interruption()
  const progress = new Progress('received')
  const output = new Output()
  const sink = new Sink(output, progress, options)
  try {
    await withBroker(options, async (broker) => {
      // Whoever follows waits for the topic, and for the broker, too.
      if (!options.follow) await new Admin(broker).describeTopic(topic)
      if (options.group === undefined) await readAll(broker, topic, options, sink, stop.signal)
      else await consumeGroup(broker, topic, options.group, options, sink, stop.signal)
    })
    await output.flush()
  } finally {
    progress.end()
    stop.stop()
  }
}

/** Counts, formats, prints. */
class Sink {
  readonly #output: Output
  readonly #progress: Progress
  readonly #options: ConsumeOptions

  constructor(output: Output, progress: Progress, options: ConsumeOptions) {
    this.#output = output
    this.#progress = progress
    this.#options = options
  }

  get full(): boolean {
    return this.#progress.count >= (this.#options.count ?? Number.POSITIVE_INFINITY) || this.#output.closed
  }

  get count(): number {
    return this.#progress.count
  }

  print(message: PrintableMessage): Promise<void> | undefined {
    this.#progress.add(1)
    return this.#output.line(formatMessage(message, this.#options.json === true))
  }

  get closed(): boolean {
    return this.#output.closed
  }

  flush(): Promise<void> {
    return this.#output.flush()
  }
}

/** Acknowledges what has been printed, as much at a time as came at a time. What nobody took stays with the group. */
class Acknowledger {
  readonly #sink: Sink
  #printed: Message[] = []
  #last: Promise<void> | undefined

  constructor(sink: Sink) {
    this.#sink = sink
  }

  add(message: Message): void {
    this.#printed.push(message)
    if (this.#printed.length === 1) setImmediate(() => void this.#acknowledge())
  }

  /** Resolves when the acknowledgements are stored. */
  async finish(): Promise<void> {
    await this.#acknowledge()
    await this.#last?.catch(() => {})
  }

  async #acknowledge(): Promise<void> {
    const printed = this.#printed
    this.#printed = []
    await this.#sink.flush()
    if (this.#sink.closed) return
    for (const message of printed) this.#last = message.ack()
  }
}

async function readAll(
  broker: Connection,
  topic: string,
  options: ConsumeOptions,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const from = readerPosition(options.from)
  const reader = new Reader(broker, topic, { from, live: options.follow === true, signal })
  try {
    for await (const message of reader) {
      const wait = sink.print(message)
      if (wait) await wait
      else if (options.follow) await sink.flush()
      if (sink.full) return
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function consumeGroup(
  broker: Connection,
  topic: string,
  group: string,
  options: ConsumeOptions,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const consumer = new Consumer(broker, topic, { group, from: groupStart(options.from), signal })
  const idle = options.follow ? undefined : endWhenDone(broker, topic, group, sink, consumer)
  const acknowledger = new Acknowledger(sink)
  try {
    for await (const message of consumer) {
      const wait = sink.print(message)
      acknowledger.add(message)
      if (wait) await wait
      if (sink.full) break
    }
  } catch (error) {
    if (!signal.aborted && !(error instanceof PortalError && error.code === 'CLOSED')) throw error
  } finally {
    if (idle) clearInterval(idle)
    await acknowledger.finish()
    // What could not be printed is given back, and not waited for.
    await consumer.close(sink.closed ? { timeout: 0 } : {})
  }
}

/** Without --follow it ends once the group has settled everything: retries that wait are waited for. */
function endWhenDone(
  broker: Connection,
  topic: string,
  group: string,
  sink: Sink,
  consumer: Consumer,
): NodeJS.Timeout {
  const admin = new Admin(broker)
  let before = -1
  const look = async () => {
    if (sink.count !== before) {
      before = sink.count
      return
    }
    const { partitions } = await admin.describeGroup(topic, group)
    if (partitions.every(({ lag }) => lag === 0)) await consumer.close()
  }
  return setInterval(() => void look().catch(() => {}), QUIET)
}

function readerPosition(text: string): 'earliest' | 'latest' | number | Date {
  return /^\d+$/.test(text) ? Number(text) : groupStart(text)
}

function groupStart(text: string): 'earliest' | 'latest' | Date {
  if (text === 'earliest' || text === 'latest') return text
  const time = new Date(text)
  // Date.parse takes '-1' and '1.5' for days of 2001.
  if (/^\d{4}-\d\d/.test(text) && !Number.isNaN(time.getTime())) return time
  throw new PortalError(
    'INVALID_ARGUMENT',
    `--from takes earliest, latest, an offset (without --group) or a time, not '${text}'.`,
  )
}
