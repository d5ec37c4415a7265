const SLAB_BYTES = 8192
const MAX_PIECE_BYTES = SLAB_BYTES / 4

/**
 * Cuts small buffers out of larger ones: a typed array of its own costs about 1 µs to make however small it is, and several times
 * that to collect. Whoever holds a piece holds its slab: for bytes that go out at once. Nobody gets the same bytes twice.
 */
export class Slab {
  #left = new Uint8Array(0)

  /** `length` bytes, of any content. */
  take(length: number): Uint8Array {
    if (length > MAX_PIECE_BYTES) return new Uint8Array(length)
    if (length > this.#left.length) this.#left = new Uint8Array(SLAB_BYTES)
    const piece = this.#left.subarray(0, length)
    this.#left = this.#left.subarray(length)
    return piece
  }
}
