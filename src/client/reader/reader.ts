import { PortalError } from '../../core/errors.js'
import { checkTopicName } from '../../core/names.js'
import { RecordBatchView } from '../../core/record-batch-view.js'
import type { ClientSide, Connection } from '../../protocol/connection.js'
import type { Position, TopicRoute } from '../../protocol/service.js'
import { onAbort } from '../../runtime/on-abort.js'
import { toPosition } from '../admin.js'
import { untilItSucceeds } from '../backoff.js'
import { clientSideOf, closedReason } from '../client-side.js'
import { booleanOption, checkOptionNames, numberOption, signalOption } from '../options.js'
import { PATIENCE, PartitionReader } from './partition-reader.js'
import { ReadMessage } from './read-message.js'

export interface ReaderOptions {
  /** An offset (of every partition read), the time of appending, or an end of the log. @default 'earliest' */
  readonly from?: number | Date | 'earliest' | 'latest' | undefined
  /** One partition only. @default all */
  readonly partition?: number | undefined
  /** Goes on with what comes later, instead of ending at the end of the log as it was at the start. @default false */
  readonly live?: boolean | undefined
  /** Ends the reading: the loop throws ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** Messages handed out before other work of the process gets its turn. */
const TURN = 500

/**
 * Reads committed messages and settles nothing; any number of readers do not disturb each other or the groups. What retention has removed is
 * skipped. Within a partition messages come in order; several partitions are read in turn.
 *
 * @example
 * for await (const message of new Reader(broker, 'temp_1', { from: new Date(Date.now() - 3_600_000) })) print(message.value)
 */
export class Reader<T = unknown> implements AsyncIterable<ReadMessage<T>> {
  readonly #side: ClientSide
  readonly #topic: string
  readonly #from: Position
  readonly #partition: number | undefined
  readonly #live: boolean
  readonly #signal: AbortSignal | undefined

  constructor(connection: Connection, topic: string, options: ReaderOptions = {}) {
    this.#side = clientSideOf(connection)
    checkTopicName(topic)
    checkOptionNames('Reader', options, ['from', 'partition', 'live', 'signal'])
    this.#topic = topic
    this.#from = toPosition(options.from === undefined ? 'earliest' : options.from)
    this.#partition = numberOption('partition', options.partition, undefined)
    this.#live = booleanOption('live', options.live, false)
    this.#signal = signalOption('signal', options.signal)
  }

  /**
   * The messages. Throws TOPIC_NOT_FOUND, OFFSET_OUT_OF_RANGE (an offset above the end), ABORTED, CLOSED, CORRUPT. Leaving the loop ends the
   * reading.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReadMessage<T>, void, undefined> {
    const stop = new AbortController()
    const forget = [
      onAbort(this.#signal, () => stop.abort(this.#signal!.reason)),
      onAbort(this.#side.closed, () => stop.abort(closedReason(this.#side))),
    ]
    try {
      yield* this.#read(stop.signal)
    } catch (error) {
      if (this.#side.closed.aborted && !this.#signal?.aborted) throw closedReason(this.#side)
      throw error
    } finally {
      stop.abort()
      for (const each of forget) each()
    }
  }

  async *#read(signal: AbortSignal): AsyncGenerator<ReadMessage<T>, void, undefined> {
    const { service, runtime } = this.#side
    const wait = this.#live ? Number.POSITIVE_INFINITY : 0
    const route = await untilItSucceeds(runtime, PATIENCE, signal, () =>
      service.findTopic({ name: this.#topic, wait }, { signal }),
    )
    const open = new Set(
      await Promise.all(
        this.#partitions(route).map((partition) =>
          PartitionReader.open(
            { side: this.#side, topicId: route.topicId, partition, signal },
            this.#from,
            this.#live,
          ),
        ),
      ),
    )
    let handed = 0
    while (open.size > 0) {
      const reader = await firstReady(open)
      const fetched = await reader.take()
      if (!fetched) {
        open.delete(reader)
        continue
      }
      for (const { baseOffset, records, from, to } of fetched) {
        const view = new RecordBatchView(records)
        const end = Math.min(to, baseOffset + view.count)
        for (let offset = from; offset < end; offset++) {
          yield new ReadMessage<T>(this.#topic, reader.partition, offset, view, offset - baseOffset)
          if (++handed % TURN === 0) await new Promise<void>((resolve) => runtime.timers.defer(resolve))
        }
      }
    }
  }

  #partitions(route: TopicRoute): number[] {
    if (this.#partition === undefined)
      return Array.from({ length: route.partitions }, (_, partition) => partition)
    if (this.#partition < route.partitions) return [this.#partition]
    throw new PortalError(
      'INVALID_ARGUMENT',
      `Topic ${this.#topic} has partitions 0 to ${route.partitions - 1}, not ${this.#partition}.`,
    )
  }
}

/** The reader whose messages came first; they take turns. */
async function firstReady(open: Set<PartitionReader>): Promise<PartitionReader> {
  const reader = await Promise.race([...open].map((one) => one.ready()))
  // To the end of the line.
  open.delete(reader)
  open.add(reader)
  return reader
}
