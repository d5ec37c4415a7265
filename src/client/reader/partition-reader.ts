import type { BrokerService, Position, ReadResponse } from '../../protocol/service.js'

/** How much is asked for at a time (bytes). */
const READ_BYTES = 1 << 20

/** A batch, and which of its offsets are wanted. */
export interface FetchedBatch {
  readonly baseOffset: number
  readonly records: Uint8Array
  readonly from: number
  readonly to: number
}

/** Reads one partition, one request ahead of whoever takes. */
export class PartitionReader {
  readonly partition: number
  readonly #service: BrokerService
  readonly #topicId: string
  readonly #signal: AbortSignal
  /** Where it ends; Infinity when it follows. */
  readonly #end: number
  #offset: number
  #next: Promise<ReadResponse> | undefined
  #ready: Promise<PartitionReader> | undefined

  private constructor(
    service: BrokerService,
    topicId: string,
    partition: number,
    signal: AbortSignal,
    offset: number,
    end: number,
  ) {
    this.partition = partition
    this.#service = service
    this.#topicId = topicId
    this.#signal = signal
    this.#offset = offset
    this.#end = end
  }

  static async open(
    service: BrokerService,
    topicId: string,
    partition: number,
    at: Position,
    live: boolean,
    signal: AbortSignal,
  ): Promise<PartitionReader> {
    const [start, end] = await Promise.all([
      service.findOffset({ topicId, partition, at }, { signal }),
      service.findOffset({ topicId, partition, at: 'latest' }, { signal }),
    ])
    return new PartitionReader(
      service,
      topicId,
      partition,
      signal,
      start.offset,
      live ? Number.POSITIVE_INFINITY : end.offset,
    )
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
    return batches.flatMap(({ baseOffset, records }, at) => {
      const end = batches[at + 1]?.baseOffset ?? nextOffset
      return toWanted(baseOffset, records, Math.max(from, baseOffset), Math.min(end, this.#end))
    })
  }

  #fetch(): Promise<ReadResponse> {
    if (!this.#next) {
      this.#next = this.#service.read(
        {
          topicId: this.#topicId,
          partition: this.partition,
          offset: this.#offset,
          maxBytes: READ_BYTES,
          wait: Number.POSITIVE_INFINITY,
        },
        { signal: this.#signal },
      )
      this.#next.catch(() => {})
    }
    return this.#next
  }
}

function toWanted(baseOffset: number, records: Uint8Array, from: number, to: number): FetchedBatch[] {
  return from < to ? [{ baseOffset, records, from, to }] : []
}
