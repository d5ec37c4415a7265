import type { Crc32 } from '../../core/crc32.js'
import { sealOf } from '../verify.js'

/**
 * Checksums of what stands around a payload. A payload's own seal cannot tell that the row around it was changed, or
 * that an intact payload lies in the wrong row: these cover the log's name, every number of the row, and the seal.
 */
export class RowChecksums {
  readonly #crc32: Crc32
  readonly #numbers = new Float64Array(10)
  readonly #bytes = new Uint8Array(this.#numbers.buffer)

  constructor(crc32: Crc32) {
    this.#crc32 = crc32
  }

  /** What the others continue from. */
  ofName(name: Uint8Array): number {
    return this.#crc32(name)
  }

  ofEntry(
    name: number,
    index: number,
    epoch: number,
    kind: number,
    version: number,
    baseOffset: number,
    count: number,
    appendTime: number,
    safeTime: number,
    payload: Uint8Array,
  ): number {
    const numbers = this.#numbers
    numbers[0] = index
    numbers[1] = epoch
    numbers[2] = kind
    numbers[3] = version
    numbers[4] = baseOffset
    numbers[5] = count
    numbers[6] = appendTime
    numbers[7] = safeTime
    numbers[8] = payload.length
    numbers[9] = sealOf(payload)
    return this.#crc32(this.#bytes, name)
  }

  ofPage(name: number, id: number, payload: Uint8Array): number {
    return this.#crc32(this.#bytesOf([id, payload.length, sealOf(payload)]), name)
  }

  ofSnapshotHeader(
    name: number,
    index: number,
    epoch: number,
    pages: Uint8Array,
    payload: Uint8Array,
  ): number {
    return this.#crc32(
      pages,
      this.#crc32(this.#bytesOf([index, epoch, payload.length, sealOf(payload)]), name),
    )
  }

  /** A value of meta has no seal of its own. */
  ofMeta(key: Uint8Array, value: Uint8Array): number {
    return this.#over(value, this.#over(key, 0))
  }

  #bytesOf(numbers: readonly number[]): Uint8Array {
    this.#numbers.set(numbers)
    return this.#bytes.subarray(0, numbers.length * 8)
  }

  /** zlib forgets what it continues from when it is given no bytes at a null address, as SQLite's empty blobs are. */
  #over(bytes: Uint8Array, seed: number): number {
    return bytes.length === 0 ? seed : this.#crc32(bytes, seed)
  }
}
