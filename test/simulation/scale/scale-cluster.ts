import { crc32 } from 'node:zlib'
import { decodeDocument } from '../../../src/coordination/document-codec.js'
import {
  type PartitionDocument,
  partitionKind,
  paths,
  topicKind,
} from '../../../src/coordination/documents.js'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import { SERVICE } from '../../../src/protocol/connection.js'
import { Calls } from '../calls.js'
import { Ensemble } from '../ensemble.js'
import { Scheduler } from '../scheduler.js'
import { Trace } from '../trace.js'
import { Violation } from '../violation.js'
import { Wires } from '../wires.js'
import { ScaleBroker, type Services } from './scale-broker.js'
import { sumOf, type Usage, usedSince } from './usage.js'

export interface ScaleOptions {
  readonly brokers: number
  /** Of all topics, three replicas each. */
  readonly partitions: number
  readonly seed?: number
}

/** Partitions of one topic. */
const PER_TOPIC = 100
/** Milliseconds of the coordination service's session. */
const SESSION = 6_000
/** How often it is looked whether something has happened (ms of virtual time). */
const LOOK = 10

/** No timer of a process is set for longer (ms). */
const FORGOTTEN = 300_000

/** What was used while something was done, and how long it took. */
export interface Measured extends Usage {
  /** Of virtual time. */
  readonly milliseconds: number
  readonly byBroker: ReadonlyMap<string, Usage>
}

/** Many brokers on sound machines, and what they use. */
export class ScaleCluster {
  readonly brokers: readonly ScaleBroker[]
  readonly options: ScaleOptions
  readonly #scheduler: Scheduler
  readonly #ensemble: Ensemble
  /** As they stand in the coordination service, by path. */
  readonly #documents = new Map<string, PartitionDocument>()
  /** `topic name/partition` to the epoch in which it is led. */
  readonly #led = new Map<string, number>()
  readonly #topicNames = new Map<string, string>()
  #acting: ScaleBroker | undefined

  constructor(options: ScaleOptions) {
    this.options = options
    const scheduler = new Scheduler(options.seed ?? 1)
    const trace = new Trace(() => scheduler.now)
    this.#scheduler = scheduler
    this.#ensemble = new Ensemble(scheduler)
    this.#ensemble.observers.push((touched) => this.#note(touched))
    const parts = {
      scheduler,
      trace,
      ensemble: this.#ensemble,
      calls: new Calls<Services>(scheduler, new Wires(scheduler, trace)),
      sessionTimeout: SESSION,
      replicaLag: 10_000,
      acts: (broker: ScaleBroker) => {
        this.#acting = broker
      },
      leads: (log: string, epoch: number) => void this.#led.set(log, epoch),
      failed: (error: unknown) => scheduler.fail(error),
    }
    this.brokers = Array.from(
      { length: options.brokers },
      (_, at) => new ScaleBroker(`b${at + 1}`, `rack${at % 3}`, parts),
    )
  }

  get now(): number {
    return this.#scheduler.now
  }

  get up(): readonly ScaleBroker[] {
    return this.brokers.filter(({ broker }) => broker !== undefined)
  }

  /** The controller, as the living know it. */
  controller(): ScaleBroker {
    const { data } = this.#ensemble.truth.read('/controller')!
    const { broker } = JSON.parse(new TextDecoder().decode(data)) as { broker: string }
    return this.brokers.find(({ name }) => name === broker)!
  }

  /** How many partitions it leads, and how many replicas it has, by the documents. */
  shareOf({ name }: ScaleBroker): { readonly led: number; readonly replicas: number } {
    let led = 0
    let replicas = 0
    for (const document of this.#documents.values()) {
      if (document.leader?.broker === name) led++
      if (document.replicas.some(({ broker }) => broker === name)) replicas++
    }
    return { led, replicas }
  }

  /** Makes the topics, some at a time. */
  async makeTopics(): Promise<void> {
    const names = Array.from({ length: Math.ceil(this.options.partitions / PER_TOPIC) }, (_, at) => `t${at}`)
    await this.during(async () => {
      const make = async () => {
        for (let name = names.shift(); name !== undefined; name = names.shift()) {
          const made = this.options.partitions - names.length * PER_TOPIC
          const partitions = Math.min(PER_TOPIC, made)
          const config = { partitions, replicas: 3, minInSync: 2 }
          await this.up[0]!.broker![SERVICE].createTopic({ name, config })
        }
      }
      await Promise.all([make(), make(), make(), make()])
    })
  }

  /** Sends messages to one partition, one after the other, for so long; returns how many were acknowledged. */
  async use(milliseconds: number): Promise<number> {
    const end = this.now + milliseconds
    const [document] = this.#documents.values()
    const { topicId, partition, leader } = document!
    const { broker } = this.brokers.find(({ name }) => name === leader!.broker)!
    let sent = 0
    await this.during(async () => {
      while (this.now < end) {
        const builder = new RecordBatchBuilder(crc32)
        builder.tryAppend({ contentType: 'text', value: 'x'.repeat(100), timestamp: 0, id: undefined })
        const records = builder.seal('user', 0, sent)
        const { results } = await broker![SERVICE].produce({
          acks: 'all',
          batches: [{ topicId, partition, records }],
        })
        if (results[0]!.error) throw results[0]!.error
        sent++
      }
    })
    return sent
  }

  /** All processes are gone, and nothing waits for them any more. Their disks stay. */
  async end(): Promise<void> {
    for (const broker of this.brokers) broker.kill()
    const end = this.now + FORGOTTEN
    while (this.now < end && (await this.#scheduler.step()));
  }

  /** Until every partition has a leader that lives, leads, and has all its living replicas in sync. */
  async untilWhole(limit = 120_000): Promise<void> {
    const living = () => new Set(this.up.map(({ name }) => name))
    await this.until(() => {
      const up = living()
      if (this.#documents.size < this.options.partitions) return false
      return this.#every(
        ({ inSync, replicas }) => inSync.length === replicas.filter(({ broker }) => up.has(broker)).length,
      )
    }, limit)
  }

  /** Until every partition has a leader that lives. */
  async untilElected(limit = 120_000): Promise<void> {
    await this.until(() => this.#every(() => true), limit)
  }

  /** Until leaders are where they are preferred. */
  async untilPreferred(limit = 600_000): Promise<void> {
    await this.until(
      () => this.#every(({ leader, replicas }) => leader?.broker === replicas[0]!.broker),
      limit,
    )
  }

  /** Lets virtual time go on. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds
    await this.#goOn(() => this.now >= end)
  }

  /** Until it is so; looked at now and then. Throws a Violation if it takes longer (ms of virtual time). */
  async until(isSo: () => boolean, limit: number): Promise<void> {
    const end = this.now + limit
    let look = this.now
    await this.#goOn(() => {
      if (this.now < look) return false
      look = this.now + LOOK
      if (isSo()) return true
      if (this.now > end) throw new Violation(`It is not so after ${limit} ms.`)
      return false
    })
  }

  /** While somebody waits for an answer. */
  async during(work: () => Promise<unknown>): Promise<void> {
    let isDone = false
    this.#scheduler.spawn(
      work().finally(() => {
        isDone = true
      }),
    )
    await this.#goOn(() => isDone)
  }

  async measure(work: () => Promise<void>): Promise<Measured> {
    const began = this.now
    const before = this.brokers.map(({ usage }) => ({ ...usage }))
    await work()
    const used = this.brokers.map(({ usage }, at) => usedSince(before[at]!, usage))
    const byBroker = new Map(this.brokers.map(({ name }, at) => [name, used[at]!]))
    return { ...sumOf(used), milliseconds: this.now - began, byBroker }
  }

  #every(test: (document: PartitionDocument) => boolean): boolean {
    const up = new Set(this.up.map(({ name }) => name))
    for (const document of this.#documents.values()) {
      const { topicId, partition, leader, epoch } = document
      if (leader === null || !up.has(leader.broker)) return false
      const name = this.#topicNames.get(topicId)
      if (name !== undefined && this.#led.get(`${name}/${partition}`) !== epoch) return false
      if (!test(document)) return false
    }
    return true
  }

  async #goOn(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      this.#acting = undefined
      const before = process.cpuUsage()
      if (!(await this.#scheduler.step())) throw new Violation('Nothing is left to happen.')
      const { user, system } = process.cpuUsage(before)
      const acting = this.#acting as ScaleBroker | undefined
      if (acting) acting.usage.processor += user + system
    }
  }

  #note(touched: ReadonlySet<string>): void {
    for (const path of touched) {
      const [, folder, , partition] = path.split('/')
      const node = this.#ensemble.truth.read(path)
      if (node === undefined) continue
      if (folder === 'partitions' && partition !== undefined)
        this.#documents.set(path, decodeDocument(partitionKind, path, node.data).document)
      if (folder === 'topics' && path !== paths.topics) {
        const { id, name } = decodeDocument(topicKind, path, node.data).document
        this.#topicNames.set(id, name)
      }
    }
  }
}
