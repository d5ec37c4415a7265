import { PortalError } from './errors.js'
import { readUtf8 } from './utf8.js'

const LOW_BITS = 2 ** 28
/** What is left of 53 bits above the lowest 28. */
const HIGH_LIMIT = 2 ** 25

/**
 * Reads what a ByteWriter wrote, and trusts nothing: whatever lies outside the bytes, is too large, or is not in its
 * shortest form throws CORRUPT with the position. Lengths are checked before anything is allocated.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #position: number

  /** Reads `bytes` from `start` (default 0) up to `end` (exclusive; default their length). */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#position = start
    this.#end = Math.min(end, bytes.length)
  }

  /** Where the next read starts, counted from the start of the bytes given. */
  get position(): number {
    return this.#position
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#end - this.#position
  }

  /** Reads on from `position`, counted from the start of the bytes given. */
  seek(position: number): void {
    this.#position = position
  }

  u8(): number {
    if (this.#position >= this.#end) throw corruptAt(this.#position, 'the bytes end early')
    return this.#bytes[this.#position++]!
  }

  varint(): number {
    const position = this.#position
    if (position < this.#end) {
      const byte = this.#bytes[position]!
      if (byte < 0x80) {
        this.#position = position + 1
        return byte
      }
    }
    const low = this.#varintPart()
    if (low >= 0) return low
    return this.#highPart(position) * LOW_BITS + (low & (LOW_BITS - 1))
  }

  zigzag(): number {
    const position = this.#position
    const low = this.#varintPart()
    if (low >= 0) return low & 1 ? -(low >>> 1) - 1 : low >>> 1
    const folded = this.#highPart(position, HIGH_LIMIT * 2) * (LOW_BITS / 2) + ((low & (LOW_BITS - 1)) >>> 1)
    // Only the lowest of all numbers overshoots: -(2^53 - 1) - 1.
    if (!(low & 1)) return folded
    if (folded === Number.MAX_SAFE_INTEGER) throw corruptAt(position, 'a number has more than 53 bits')
    return -folded - 1
  }

  /** A string of at most `maxBytes` bytes of UTF-8; malformed bytes become U+FFFD. */
  string(maxBytes = Number.MAX_SAFE_INTEGER): string {
    const length = this.#length(maxBytes)
    const start = this.#advance(length)
    return readUtf8(this.#bytes, start, start + length)
  }

  /** At most `maxBytes` bytes, as a view on those given to the reader. */
  bytes(maxBytes = Number.MAX_SAFE_INTEGER): Uint8Array {
    return this.raw(this.#length(maxBytes))
  }

  /** The next `count` bytes, as a view on those given to the reader. */
  raw(count: number): Uint8Array {
    const start = this.#advance(count)
    return this.#bytes.subarray(start, start + count)
  }

  skip(count: number): void {
    this.#advance(count)
  }

  #length(maxBytes: number): number {
    const position = this.#position
    const length = this.varint()
    if (length > maxBytes) throw corruptAt(position, `a length of ${length} exceeds the limit of ${maxBytes}`)
    return length
  }

  #advance(count: number): number {
    const start = this.#position
    if (count > this.#end - start)
      throw corruptAt(start, `${count} bytes are announced, ${this.remaining} are there`)
    this.#position = start + count
    return start
  }

  /** A varint of up to 28 bits; if more bits follow, what was read with the sign bit set as a mark. */
  #varintPart(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte === 0 && shift > 0)
          throw corruptAt(this.#position - 1, 'a number is not in its shortest form')
        return value
      }
    }
    return value | 0x80000000
  }

  /** The bits above the lowest 28 of a number that started at `start`. */
  #highPart(start: number, limit = HIGH_LIMIT): number {
    const high = this.#varintPart()
    if (high === 0) throw corruptAt(this.#position - 1, 'a number is not in its shortest form')
    if (high < 0 || high >= limit) throw corruptAt(start, 'a number has more than 53 bits')
    return high
  }
}

/** Throws CORRUPT unless everything has been read. Not a method: pages, which load all of those, do not need it. */
export function expectEnd({ position, remaining }: ByteReader): void {
  if (remaining > 0) throw corruptAt(position, `${remaining} bytes are left over`)
}

function corruptAt(position: number, what: string): PortalError<'CORRUPT'> {
  return new PortalError('CORRUPT', `Damaged data at byte ${position}: ${what}.`)
}
