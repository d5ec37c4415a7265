/** Writes ZooKeeper's own encoding: big-endian, strings and buffers after their length. */
export class JuteWriter {
  #bytes = Buffer.allocUnsafe(256)
  /** Behind the length of the frame, which is written at the end. */
  #at = 4

  int(value: number): this {
    this.#reserve(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  long(value: bigint): this {
    this.#reserve(8)
    this.#at = this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), this.#at)
    return this
  }

  boolean(value: boolean): this {
    this.#reserve(1)
    this.#at = this.#bytes.writeUInt8(value ? 1 : 0, this.#at)
    return this
  }

  buffer(value: Uint8Array): this {
    this.int(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  text(value: string): this {
    return this.buffer(Buffer.from(value, 'utf8'))
  }

  /** The whole frame. */
  frame(): Uint8Array {
    this.#bytes.writeInt32BE(this.#at - 4, 0)
    return this.#bytes.subarray(0, this.#at)
  }

  #reserve(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

/** Reads a frame without its length. Throws RangeError at its end. */
export class JuteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int(): number {
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  long(): bigint {
    const value = this.#bytes.readBigInt64BE(this.#at)
    this.#at += 8
    return value
  }

  /** A copy; empty for the null that the encoding knows. */
  buffer(): Uint8Array {
    const length = Math.max(this.int(), 0)
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('A buffer ends behind its frame.')
    const value = new Uint8Array(this.#bytes.subarray(this.#at, end))
    this.#at = end
    return value
  }

  text(): string {
    return Buffer.from(this.buffer().buffer).toString('utf8')
  }

  texts(): string[] {
    return Array.from({ length: Math.max(this.int(), 0) }, () => this.text())
  }

  skip(length: number): void {
    this.#at += length
  }
}
