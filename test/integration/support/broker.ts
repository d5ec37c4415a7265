import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  type Broker,
  type BrokerOptions,
  type Consumer,
  createBroker,
  isPortalError,
  type Logger,
  type Message,
  Producer,
} from '../../../src/index.js'
import { type VirtualRuntime, virtualRuntime } from '../../../src/runtime/virtual.js'

/** A folder that goes with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portal-mq-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A broker on SQLite, in a folder of its own unless one is given; closed when the test ends. */
export async function openBroker(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const directory = options.directory ?? (await temporaryDirectory())
  const broker = await createBroker({ logger: new LogBook(), ...options, directory })
  onTestFinished(() => broker.close())
  return broker
}

export interface VirtualBroker {
  readonly broker: Broker
  readonly runtime: VirtualRuntime
  readonly log: LogBook
}

/** A broker in memory, on virtual time. */
export async function openVirtualBroker(seed = 1): Promise<VirtualBroker> {
  const runtime = virtualRuntime({ seed })
  const log = new LogBook()
  const opening = createBroker({ directory: ':memory:', runtime, logger: log })
  const broker = await runtime.runUntil(opening)
  onTestFinished(() => runtime.runUntil(broker.close()))
  return { broker, runtime, log }
}

/** A logger that remembers. */
export class LogBook implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[] = []

  debug(): void {}

  info(): void {}

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', message, fields })
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', message, fields })
  }
}

/** Sends the numbers from `from` to below `to`, in order, and resolves when all are stored. */
export async function sendNumbers(broker: Broker, topic: string, to: number, from = 0): Promise<void> {
  const producer = new Producer(broker)
  const messages = Array.from({ length: to - from }, (_, at) => ({ value: from + at }))
  await producer.sendBatch(topic, messages)
  await producer.close()
}

/** Receives `count` messages, one after the other. */
export async function receiveMany<T>(consumer: Consumer<T>, count: number): Promise<Message<T>[]> {
  const messages: Message<T>[] = []
  while (messages.length < count) messages.push(await consumer.receive())
  return messages
}

/** The numbers from 0 to below `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}

/** What goes on until the test ends and its broker closes. */
export async function untilClosed(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isPortalError(error, 'CLOSED')) throw error
  }
}
