import { ByteWriter } from './bytes.js'
import type { Crc32 } from './crc32.js'
import { ATTRIBUTE_ID, ATTRIBUTE_KEY, type RecordInput, writeRecord } from './record.js'
import { assembleBatch, BATCH_BYTES, BATCH_RECORDS } from './record-batch-header.js'

export type { RecordInput } from './record.js'

export interface BatchLimits {
  /** @default 100 */
  readonly maxRecords?: number
  /** Bytes of encoded records; one record alone may be larger. @default 32 KiB */
  readonly maxBytes?: number
}

/**
 * Buffers that no builder is using. A typed array costs about 1 µs however small it is, as much as ten messages; and a
 * buffer that has grown need not grow again. This is memory, not state: what is in them is never read.
 */
const spares: ByteWriter[] = []
const MAX_SPARES = 8
const MAX_SPARE_BYTES = 2 * BATCH_BYTES

/** Cuts messages into a batch: encodes each when it comes, so that nobody's later changes matter. */
export class RecordBatchBuilder {
  readonly #crc32: Crc32
  readonly #maxRecords: number
  readonly #maxBytes: number
  /** Records alone, for the header is known at the end; undefined once it is sealed. */
  #records: ByteWriter | undefined = spares.pop() ?? new ByteWriter(2048)
  #sealed: Uint8Array | undefined
  #count = 0
  #size = 0
  /** The attributes of all records together. */
  #attributes = 0
  #baseTimestamp = 0

  constructor(crc32: Crc32, limits: BatchLimits = {}) {
    this.#crc32 = crc32
    this.#maxRecords = limits.maxRecords ?? BATCH_RECORDS
    this.#maxBytes = limits.maxBytes ?? BATCH_BYTES
  }

  /** How many records it holds. */
  get count(): number {
    return this.#count
  }

  /** Bytes of its records. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds a record, or returns false and changes nothing when the batch is full or sealed. The first always fits. Throws
   * INVALID_ARGUMENT, and changes nothing, if the timestamp is not a whole number of milliseconds.
   */
  tryAppend(record: RecordInput): boolean {
    const records = this.#records
    if (records === undefined) return false
    const before = this.#size
    const isFirst = this.#count === 0
    // Text takes a byte a character at least: most of what does not fit is known before it is encoded.
    if (!isFirst && (this.#count >= this.#maxRecords || before + record.value.length > this.#maxBytes))
      return false
    const baseTimestamp = isFirst ? record.timestamp : this.#baseTimestamp
    let attributes: number
    try {
      attributes = writeRecord(records, record, baseTimestamp)
    } catch (error) {
      records.truncate(before)
      throw error
    }
    if (!isFirst && records.length > this.#maxBytes) {
      records.truncate(before)
      return false
    }
    this.#baseTimestamp = baseTimestamp
    this.#attributes |= attributes
    this.#count++
    this.#size = records.length
    return true
  }

  /**
   * The batch, in bytes of exactly its size that nobody changes afterwards. The builder takes nothing more then, but it
   * may be sealed again, under another sequence.
   */
  seal(producerId: string, producerEpoch: number, baseSequence: number): Uint8Array {
    const header = {
      producerId,
      producerEpoch,
      baseSequence,
      count: this.#count,
      sequenceSkip: 0,
      baseTimestamp: this.#baseTimestamp,
      hasIds: (this.#attributes & ATTRIBUTE_ID) !== 0,
      hasKeys: (this.#attributes & ATTRIBUTE_KEY) !== 0,
    }
    const records = this.#records ?? this.#sealed!.subarray(this.#sealed!.length - this.#size)
    this.#sealed = assembleBatch(header, records, this.#crc32)
    this.#releaseBuffer()
    return this.#sealed
  }

  #releaseBuffer(): void {
    const records = this.#records
    this.#records = undefined
    if (records === undefined || spares.length === MAX_SPARES || this.#size > MAX_SPARE_BYTES) return
    records.truncate()
    spares.push(records)
  }
}
