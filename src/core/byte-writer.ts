import { PortalError } from './errors.js'
import { maxUtf8Length, writeUtf8 } from './utf8.js'

const LOW_BITS = 2 ** 28
/** 2^53 - 1 takes eight groups of seven bits. */
const MAX_VARINT_BYTES = 8
const EMPTY = new Uint8Array(0)

/**
 * Builds bytes from left to right in a buffer that grows as needed.
 *
 * Numbers are unsigned LEB128 varints in their shortest form, up to 2^53 - 1, unless a method says otherwise; text is
 * UTF-8. What cannot be represented throws INVALID_ARGUMENT and writes nothing.
 */
export class ByteWriter {
  #buffer: Uint8Array
  #length = 0

  /** `capacity`: the bytes it holds before it first grows. They may be given, whatever is in them. */
  constructor(capacity = 256, buffer: Uint8Array = new Uint8Array(capacity)) {
    this.#buffer = buffer
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#makeRoom(1)
    this.#buffer[this.#length++] = value
  }

  /** An integer from 0 to 2^53 - 1: seven bits a byte, lowest first. */
  varint(value: number): void {
    this.#makeRoom(MAX_VARINT_BYTES)
    if (value >>> 0 === value) this.#smallVarint(value)
    else if (Number.isSafeInteger(value) && value >= 0) this.#largeVarint(value, value % LOW_BITS, LOW_BITS)
    else throw notRepresentable(value)
  }

  /** An integer from -(2^53 - 1) to 2^53 - 1, so that those near zero are short: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
  zigzag(value: number): void {
    const folded = value < 0 ? -value - 1 : value
    const sign = value < 0 ? 1 : 0
    this.#makeRoom(MAX_VARINT_BYTES)
    if (folded < 0x40000000 && folded >>> 0 === folded) this.#smallVarint(folded * 2 + sign)
    else if (Number.isSafeInteger(value)) {
      // Doubling might leave the safe integers; the sign is put in below the lowest 27 bits instead.
      this.#largeVarint(folded, (folded % (LOW_BITS / 2)) * 2 + sign, LOW_BITS / 2)
    } else throw notRepresentable(value)
  }

  /** The length of its UTF-8 form as a varint, then that form. Lone surrogates become U+FFFD. */
  string(text: string): void {
    this.#makeRoom(maxUtf8Length(text) + MAX_VARINT_BYTES)
    const start = this.#length
    // Nearly all text is ASCII: guess that the length's varint will be as wide as for that, and move if not.
    const guess = varintLength(text.length)
    const written = writeUtf8(text, this.#buffer, start + guess)
    const width = varintLength(written)
    if (width !== guess) this.#buffer.copyWithin(start + width, start + guess, start + guess + written)
    this.#smallVarint(written)
    this.#length += written
  }

  /** The length as a varint, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.raw(bytes)
  }

  /** The bytes alone. */
  raw(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /**
   * Begins a block: bytes with their length before them. `estimate` is what the length will probably be; a wrong one
   * only costs time. Returns where the block starts, for `endBlock`.
   */
  beginBlock(estimate: number): number {
    const width = varintLength(estimate)
    this.#makeRoom(width + estimate)
    this.#length += width
    return this.#length
  }

  /** Ends the block that starts at `start`: puts its length before it. */
  endBlock(start: number, estimate: number): void {
    const length = this.#length - start
    const width = varintLength(length)
    const before = start - varintLength(estimate)
    this.#makeRoom(MAX_VARINT_BYTES)
    if (before + width !== start) this.#buffer.copyWithin(before + width, start, start + length)
    this.#length = before
    this.#smallVarint(length)
    this.#length += length
  }

  /** What another writer holds. */
  append(other: ByteWriter): void {
    this.raw(other.view())
  }

  /** Leaves `count` zero bytes, to be filled once it is finished, and returns where they start. */
  reserve(count: number): number {
    this.#makeRoom(count)
    const start = this.#length
    this.#buffer.fill(0, start, start + count)
    this.#length += count
    return start
  }

  /** Forgets what was written from `length` on; 0 makes the writer ready for another use. */
  truncate(length = 0): void {
    this.#length = Math.min(this.#length, length)
  }

  /**
   * What was written, in bytes of exactly that size which the writer never touches again; it is empty afterwards. Costs
   * a copy, unless the capacity was exactly right.
   */
  finish(): Uint8Array {
    const buffer = this.#buffer
    const length = this.#length
    this.#length = 0
    if (length < buffer.length) return buffer.slice(0, length)
    this.#buffer = EMPTY
    return buffer
  }

  /** What was written so far, without a copy: a view that later writes may change. For what is written no more, and goes out at once. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #smallVarint(value: number): void {
    const buffer = this.#buffer
    let at = this.#length
    let rest = value
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[at++] = rest
    this.#length = at
  }

  /** `low` holds the lowest 28 bits to write; what is above them is `value` / `scale`. */
  #largeVarint(value: number, low: number, scale: number): void {
    const buffer = this.#buffer
    let at = this.#length
    for (let shift = 0; shift < 28; shift += 7) buffer[at++] = ((low >>> shift) & 0x7f) | 0x80
    this.#length = at
    this.#smallVarint(Math.floor(value / scale))
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count
    if (needed > this.#buffer.length) this.#grow(needed)
  }

  #grow(needed: number): void {
    // A typed array costs about 1 µs however small it is: few, larger steps.
    const length = this.#buffer.length
    const larger = new Uint8Array(Math.max(needed, length < 65_536 ? length * 4 : length * 2))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}

/** How many bytes the varint of `value` takes; `value` is an integer from 0 to 2^53 - 1. */
export function varintLength(value: number): number {
  let length = 1
  for (let limit = 0x80; value >= limit; limit *= 0x80) length++
  return length
}

function notRepresentable(value: number): PortalError {
  return new PortalError(
    'INVALID_ARGUMENT',
    `${value} cannot be encoded: it must be an integer of at most 53 bits.`,
  )
}
