import type { ClientSide } from '../../protocol/connection.js'
import type { Position, ReadResponse } from '../../protocol/service.js'
import { untilItSucceeds } from '../backoff.js'

/** How much is asked for at a time (bytes). */
const READ_BYTES = 1 << 20
/** Milliseconds for which a broker that is away is waited for, by a reader that has an end. */
export const PATIENCE = 120_000

/** A batch, and which of its offsets are wanted. */
export interface FetchedBatch {
  readonly baseOffset: number
  readonly records: Uint8Array
  readonly from: number
  readonly to: number
}

export interface PartitionReaderOptions {
  readonly side: ClientSide
  readonly topicId: string
  readonly partition: number
  readonly signal: AbortSignal
}

/** Reads one partition, one request ahead of whoever takes. */
export class PartitionReader {
  readonly partition: number
  readonly #options: PartitionReaderOptions
  /** Where it ends; Infinity when it follows. */
  readonly #end: number
  #offset: number
  #next: Promise<ReadResponse> | undefined
  #ready: Promise<PartitionReader> | undefined

  private constructor(options: PartitionReaderOptions, offset: number, end: number) {
    this.partition = options.partition
    this.#options = options
    this.#offset = offset
    this.#end = end
  }

  static async open(
    options: PartitionReaderOptions,
    from: Position,
    live: boolean,
  ): Promise<PartitionReader> {
    const { side, topicId, partition, signal } = options
    const find = (at: Position) =>
      untilItSucceeds(side.runtime, PATIENCE, signal, () =>
        side.service.findOffset({ topicId, partition, at }, { signal }),
      )
    const [start, end] = await Promise.all([find(from), find('latest')])
    return new PartitionReader(options, start.offset, live ? Number.POSITIVE_INFINITY : end.offset)
  }

  /** Resolves to itself when `take` has an answer at hand. */
  ready(): Promise<PartitionReader> {
    if (!this.#ready) {
      const fetched = this.#offset >= this.#end ? Promise.resolve() : this.#fetch()
      this.#ready = fetched.then(() => this)
      this.#ready.catch(() => {})
    }
    return this.#ready
  }

  /** The next batches; undefined at the end. */
  async take(): Promise<FetchedBatch[] | undefined> {
    if (this.#offset >= this.#end) return undefined
    const { batches, nextOffset } = await this.#fetch()
    const from = this.#offset
    this.#offset = nextOffset
    this.#next = undefined
    this.#ready = undefined
    if (this.#offset < this.#end) void this.ready()
    return batches
      .map(({ baseOffset, records }, at) => ({
        baseOffset,
        records,
        from: Math.max(from, baseOffset),
        to: Math.min(batches[at + 1]?.baseOffset ?? nextOffset, this.#end),
      }))
      .filter((batch) => batch.from < batch.to)
  }

  #fetch(): Promise<ReadResponse> {
    if (!this.#next) {
      const { side, topicId, partition, signal } = this.#options
      const wait = Number.POSITIVE_INFINITY
      const request = { topicId, partition, offset: this.#offset, maxBytes: READ_BYTES, wait }
      const patience = this.#end === Number.POSITIVE_INFINITY ? this.#end : PATIENCE
      this.#next = untilItSucceeds(side.runtime, patience, signal, () =>
        side.service.read(request, { signal }),
      )
      this.#next.catch(() => {})
    }
    return this.#next
  }
}
