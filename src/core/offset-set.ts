import { BITMAP_WORDS, countBits, hasBit, nextClearBit, nextSetBit } from './bitmap.js'
import { Piece, PieceList, WINDOW, windowStart } from './offset-pieces.js'
import { pushRange } from './ranges.js'

/**
 * A set of offsets (integers from 0 to 2^53 - 2), made for the state of a queue: mostly long runs, with a ragged band
 * that moves upwards. Ranges are half-open: [start, end). Finding anything takes O(log pieces).
 */
export class OffsetSet {
  readonly #pieces = new PieceList()
  #size = 0

  /** How many offsets it holds. */
  get size(): number {
    return this.#size
  }

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /**
   * How many windows are held as bitmaps: what the set costs, in units of 512 bytes. Depends on the order of calls,
   * not on the members alone: a window that has become contiguous again stays a bitmap until it is full or empty.
   */
  get fragments(): number {
    return this.#pieces.bitmaps
  }

  has(offset: number): boolean {
    const piece = this.#pieces.items[this.#pieces.find(offset)]
    if (piece === undefined || offset < piece.start) return false
    return piece.slab === undefined || hasBit(piece.slab.words, piece.base, offset - (piece.end - WINDOW))
  }

  /** Adds [start, end), one offset if `end` is missing. Returns how many were not in the set before. */
  add(start: number, end = start + 1): number {
    const piece = this.#pieces.recent
    // Nearly always a run goes on inside its window, where nothing else can be.
    if (piece !== undefined && piece.end === start && piece.slab === undefined && end > start) {
      const window = windowStart(start)
      if (start > window && end < window + WINDOW) {
        piece.end = end
        this.#size += end - start
        return end - start
      }
    }
    const added = this.#pieces.change(start, end, true)
    this.#size += added
    return added
  }

  /** Removes [start, end), one offset if `end` is missing. Returns how many were in the set before. */
  delete(start: number, end = start + 1): number {
    const piece = this.#pieces.recent
    if (
      piece !== undefined &&
      piece.start === start &&
      piece.slab === undefined &&
      end > start &&
      end < piece.end
    ) {
      piece.start = end
      this.#size -= end - start
      return end - start
    }
    const deleted = this.#pieces.change(start, end, false)
    this.#size -= deleted
    return deleted
  }

  /** Removes everything below `offset`. */
  deleteBelow(offset: number): number {
    return this.delete(0, offset)
  }

  clear(): void {
    this.deleteBelow(Number.MAX_SAFE_INTEGER)
  }

  /** The smallest member; -1 if there is none. */
  first(): number {
    return this.next(0)
  }

  /** The smallest member ≥ from; -1 if there is none. */
  next(from: number): number {
    for (let index = this.#pieces.find(from); index < this.#pieces.items.length; index++) {
      const piece = this.#pieces.items[index]!
      const start = Math.max(from, piece.start)
      if (piece.slab === undefined) return start
      const window = piece.end - WINDOW
      const found = window + nextSetBit(piece.slab.words, piece.base, start - window)
      if (found === piece.end) continue
      // Remember what was found, so that taking from the front does not scan the same empty words again.
      if (start === piece.start) piece.start = found
      return found
    }
    return -1
  }

  /** The largest member; -1 if there is none. */
  last(): number {
    const piece = this.#pieces.items.at(-1)
    if (piece === undefined) return -1
    if (piece.slab === undefined) return piece.end - 1
    let offset = piece.end - 1
    while (!hasBit(piece.slab.words, piece.base, offset - (piece.end - WINDOW))) offset--
    return offset
  }

  /** The smallest offset ≥ from that is not in the set. */
  nextMissing(from: number): number {
    let offset = from
    for (let index = this.#pieces.find(from); index < this.#pieces.items.length; index++) {
      const piece = this.#pieces.items[index]!
      if (offset < piece.start) return offset
      if (piece.slab === undefined) offset = piece.end
      else {
        const window = piece.end - WINDOW
        offset = window + nextClearBit(piece.slab.words, piece.base, offset - window)
        if (offset < piece.end) return offset
      }
    }
    return offset
  }

  /** How many members lie in [start, end). */
  countIn(start: number, end: number): number {
    let count = 0
    for (let index = this.#pieces.find(start); index < this.#pieces.items.length; index++) {
      const piece = this.#pieces.items[index]!
      if (piece.start >= end) break
      count += piece.countIn(start, end)
    }
    return count
  }

  /** The members in [from, to) as flat ranges, rising and apart. */
  ranges(from = 0, to = Number.MAX_SAFE_INTEGER): number[] {
    const ranges: number[] = []
    this.#walk(from, to, (start, end) => {
      pushRange(ranges, start, end)
      return true
    })
    return ranges
  }

  /** Calls `visit` with every maximal run of members in [from, to), rising. `visit` must not change the set. */
  forEachRange(visit: (start: number, end: number) => void, from = 0, to = Number.MAX_SAFE_INTEGER): void {
    let start = -1
    let end = -1
    this.#walk(from, to, (nextStart, nextEnd) => {
      if (nextStart !== end) {
        if (end > start) visit(start, end)
        start = nextStart
      }
      end = nextEnd
      return true
    })
    if (end > start) visit(start, end)
  }

  /** Removes the smallest members ≥ from, at most `max` of them, and returns them as flat ranges. */
  take(max: number, from = 0): number[] {
    const ranges: number[] = []
    let left = max
    let end = from
    if (left <= 0) return ranges
    this.#walk(from, Number.MAX_SAFE_INTEGER, (start, runEnd) => {
      end = Math.min(runEnd, start + left)
      pushRange(ranges, start, end)
      left -= end - start
      return left > 0
    })
    this.delete(from, end)
    return ranges
  }

  /** A set with the same members that shares nothing with this one. */
  clone(): OffsetSet {
    const copy = new OffsetSet()
    for (const piece of this.#pieces.items) {
      if (piece.slab === undefined) copy.#pieces.items.push(new Piece(piece.start, piece.end))
      else
        copy.#pieces.insertBitmap(
          copy.#pieces.items.length,
          piece.end - WINDOW,
          piece.slab.words,
          piece.base,
          piece.count,
        )
    }
    copy.#size = this.#size
    return copy
  }

  /** Copies the bitmap of the window that starts at `window` to `target`; false if that window has none. */
  copyBitmap(window: number, target: Uint32Array): boolean {
    const piece = this.#pieces.items[this.#pieces.find(window)]
    if (piece?.slab === undefined || piece.end !== window + WINDOW) return false
    target.set(piece.slab.words.subarray(piece.base, piece.base + BITMAP_WORDS))
    return true
  }

  /** Adds the offsets whose bits are set in `words`, counted from `window`, the start of a window. */
  addBitmap(window: number, words: Uint32Array): void {
    const index = this.#pieces.find(window)
    const free = index === this.#pieces.items.length || this.#pieces.items[index]!.start >= window + WINDOW
    const count = countBits(words, 0, 0, WINDOW)
    if (free && count > 0 && count < WINDOW) {
      this.#pieces.insertBitmap(index, window, words, 0, count)
      this.#size += count
      return
    }
    for (let bit = nextSetBit(words, 0, 0); bit < WINDOW; ) {
      const end = nextClearBit(words, 0, bit)
      this.add(window + bit, window + end)
      bit = nextSetBit(words, 0, end)
    }
  }

  /** Visits the runs of [from, to) piece by piece, so that runs may touch, until `visit` returns false. */
  #walk(from: number, to: number, visit: (start: number, end: number) => boolean): void {
    for (let index = this.#pieces.find(from); index < this.#pieces.items.length; index++) {
      const piece = this.#pieces.items[index]!
      if (piece.start >= to) return
      let start = Math.max(from, piece.start)
      const limit = Math.min(to, piece.end)
      if (piece.slab === undefined) {
        if (!visit(start, limit)) return
        continue
      }
      const { words } = piece.slab
      const window = piece.end - WINDOW
      for (;;) {
        start = window + nextSetBit(words, piece.base, start - window)
        if (start >= limit) break
        const end = Math.min(limit, window + nextClearBit(words, piece.base, start - window))
        if (!visit(start, end)) return
        start = end
      }
    }
  }
}
