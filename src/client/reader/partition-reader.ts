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

/** Reads one partition, one request ahead of whoever takes. */
export class PartitionReader {
  readonly partition: number
  readonly #side: ClientSide
  readonly #topicId: string
  readonly #signal: AbortSignal
  /** Where it ends; Infinity when it follows. */
  readonly #end: number
  #offset: number
  #next: Promise<ReadResponse> | undefined
  #ready: Promise<PartitionReader> | undefined

  private constructor(
    side: ClientSide,
    topicId: string,
    partition: number,
    signal: AbortSignal,
    offset: number,
    end: number,
  ) {
    this.partition = partition
    this.#side = side
    this.#topicId = topicId
    this.#signal = signal
    this.#offset = offset
    this.#end = end
  }

  static async open(
    side: ClientSide,
    topicId: string,
    partition: number,
    at: Position,
    live: boolean,
    signal: AbortSignal,
  ): Promise<PartitionReader> {
    const find = (position: Position) =>
      untilItSucceeds(side.runtime, PATIENCE, signal, () =>
        side.service.findOffset({ topicId, partition, at: position }, { signal }),
      )
    const [start, end] = await Promise.all([find(at), find('latest')])
    return new PartitionReader(
      side,
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
      const request = {
        topicId: this.#topicId,
        partition: this.partition,
        offset: this.#offset,
        maxBytes: READ_BYTES,
        wait: Number.POSITIVE_INFINITY,
      }
      const patience = this.#end === Number.POSITIVE_INFINITY ? this.#end : PATIENCE
      this.#next = untilItSucceeds(this.#side.runtime, patience, this.#signal, () =>
        this.#side.service.read(request, { signal: this.#signal }),
      )
      this.#next.catch(() => {})
    }
    return this.#next
  }
}

function toWanted(baseOffset: number, records: Uint8Array, from: number, to: number): FetchedBatch[] {
  return from < to ? [{ baseOffset, records, from, to }] : []
}
