import { BITMAP_BITS, BITMAP_WORDS, clearBits, countBits, setBits } from './bitmap.js'
import { BitmapPool, type Slab } from './bitmap-pool.js'

/** Offsets fall into aligned windows of this many. */
export const WINDOW = BITMAP_BITS

/** The start of the window that `offset` lies in. */
export function windowStart(offset: number): number {
  return Math.floor(offset / WINDOW) * WINDOW
}

/**
 * A piece of the set: a run of any length, or one window that is not contiguous, as a bitmap.
 *
 * Pieces are sorted, and each window has members in at most one of them. So while a run ends inside a window, nothing
 * else is in that window; a second run there turns the window into a bitmap, however long the first one was. Runs that
 * touch are one. Millions of settled messages are one piece; fragmentation costs 512 bytes a window at most.
 */
export class Piece {
  /** Of a run: its first member. Of a bitmap: a member or an offset below the first, inside the window. */
  start: number
  /** Of a run: the end (exclusive). Of a bitmap: the end of its window. */
  end: number
  /** Undefined: a run. */
  readonly slab: Slab | undefined
  /** Where its bitmap begins in the slab. */
  readonly base: number
  /** How many members a bitmap has: from 1 to WINDOW - 1. */
  count: number

  constructor(start: number, end: number, slab?: Slab, base = 0) {
    this.start = start
    this.end = end
    this.slab = slab
    this.base = base
    this.count = 0
  }

  /** How many members it has in [start, end), which must not be empty. */
  countIn(start: number, end: number): number {
    const from = Math.max(start, this.start)
    const to = Math.min(end, this.end)
    if (from >= to) return 0
    if (this.slab === undefined) return to - from
    const window = this.end - WINDOW
    return from === window && to === this.end
      ? this.count
      : countBits(this.slab.words, this.base, from - window, to - window)
  }
}

/** The pieces of an OffsetSet, in order. It counts nothing but what a call changes. */
export class PieceList {
  readonly items: Piece[] = []
  /** How many of them are bitmaps. */
  bitmaps = 0
  readonly #pool = new BitmapPool()
  /** The piece that was found last: most calls touch it again. */
  #hint = 0

  /** The piece that was found last, if it is still there. */
  get recent(): Piece | undefined {
    return this.items[this.#hint]
  }

  /** Adds or deletes [start, end); returns how many offsets that made a difference to. */
  change(start: number, end: number, add: boolean): number {
    if (start >= end) return 0
    const first = windowStart(start)
    const last = windowStart(end)
    if (first === last || (start > first && end === first + WINDOW)) {
      return add ? this.#addWithin(first, start, end) : this.#deleteWithin(first, start, end)
    }
    const wholeStart = start === first ? first : first + WINDOW
    let changed = 0
    if (start < wholeStart) changed += this.change(start, wholeStart, add)
    if (wholeStart < last)
      changed += add ? this.#addWindows(wholeStart, last) : this.#deleteWindows(wholeStart, last)
    if (last < end) changed += this.change(last, end, add)
    return changed
  }

  #addWithin(window: number, start: number, end: number): number {
    let index = this.find(window)
    const piece = this.items[index]
    if (piece === undefined || piece.start >= window + WINDOW) {
      this.items.splice(index, 0, new Piece(start, end))
      this.#join(index)
      return end - start
    }
    if (piece.slab === undefined) {
      const from = Math.max(piece.start, window)
      const to = Math.min(piece.end, window + WINDOW)
      if (start <= to && end >= from) {
        piece.start = Math.min(piece.start, start)
        piece.end = Math.max(piece.end, end)
        this.#join(index)
        return Math.max(end, to) - Math.min(start, from) - (to - from)
      }
      index = this.#carve(index, window)
    }
    return this.#addToBitmap(index, window, start, end)
  }

  #addToBitmap(index: number, window: number, start: number, end: number): number {
    const piece = this.items[index]!
    const added = setBits(piece.slab!.words, piece.base, start - window, end - window)
    piece.count += added
    if (start < piece.start) piece.start = start
    if (piece.count === WINDOW) {
      this.#release(piece)
      this.items[index] = new Piece(window, window + WINDOW)
      this.#join(index)
    }
    return added
  }

  #deleteWithin(window: number, start: number, end: number): number {
    let index = this.find(window)
    const piece = this.items[index]
    if (piece === undefined || piece.start >= window + WINDOW) return 0
    if (piece.slab === undefined) {
      const from = Math.max(start, piece.start)
      const to = Math.min(end, piece.end)
      if (from >= to) return 0
      const leavesOneRun =
        from === Math.max(piece.start, window) || to === Math.min(piece.end, window + WINDOW)
      if (leavesOneRun) {
        this.items.splice(index, 1, ...runs(piece.start, from, to, piece.end))
        return to - from
      }
      index = this.#carve(index, window)
    }
    return this.#deleteFromBitmap(index, window, start, end)
  }

  #deleteFromBitmap(index: number, window: number, start: number, end: number): number {
    const piece = this.items[index]!
    const deleted = clearBits(piece.slab!.words, piece.base, start - window, end - window)
    piece.count -= deleted
    if (piece.count === 0) {
      this.#release(piece)
      this.items.splice(index, 1)
    } else if (start <= piece.start && piece.start < end) piece.start = end
    return deleted
  }

  /** Adds the whole windows in [start, end). */
  #addWindows(start: number, end: number): number {
    const first = this.find(start)
    const past = this.#pastPieces(first, end)
    let runStart = start
    let runEnd = end
    let present = 0
    for (let index = first; index < past; index++) {
      const piece = this.items[index]!
      present += piece.countIn(start, end)
      runStart = Math.min(runStart, piece.slab ? start : piece.start)
      runEnd = Math.max(runEnd, piece.end)
      this.#release(piece)
    }
    this.items.splice(first, past - first, new Piece(runStart, runEnd))
    this.#join(first)
    return end - start - present
  }

  /** Deletes the whole windows in [start, end). */
  #deleteWindows(start: number, end: number): number {
    const first = this.find(start)
    const past = this.#pastPieces(first, end)
    if (first === past) return 0
    const lowest = this.items[first]!
    const highest = this.items[past - 1]!
    let present = 0
    for (let index = first; index < past; index++) {
      const piece = this.items[index]!
      present += piece.countIn(start, end)
      this.#release(piece)
    }
    this.items.splice(first, past - first, ...runs(lowest.start, start, end, highest.end))
    return present
  }

  /** The first index from `index` on whose piece starts at or after `end`. */
  #pastPieces(index: number, end: number): number {
    let past = index
    while (past < this.items.length && this.items[past]!.start < end) past++
    return past
  }

  /** Turns the part of the run at `index` that lies in `window` into a bitmap and returns the bitmap's index. */
  #carve(index: number, window: number): number {
    const run = this.items[index]!
    const windowEnd = window + WINDOW
    const from = Math.max(run.start, window)
    const to = Math.min(run.end, windowEnd)
    const around = runs(run.start, window, windowEnd, run.end)
    const at = run.start < window ? index + 1 : index
    this.items.splice(index, 1, ...around)
    const piece = this.insertBitmap(at, window)
    piece.start = from
    piece.count = setBits(piece.slab!.words, piece.base, from - window, to - window)
    return at
  }

  /** Inserts the bitmap of a window: a copy of `words` from `base` on, with `count` members; or none, to be filled. */
  insertBitmap(index: number, window: number, words?: Uint32Array, base = 0, count = 0): Piece {
    const slab = this.#pool.slab()
    const piece = new Piece(window, window + WINDOW, slab, this.#pool.claim(slab))
    if (words) slab.words.set(words.subarray(base, base + BITMAP_WORDS), piece.base)
    piece.count = count
    this.items.splice(index, 0, piece)
    this.bitmaps++
    return piece
  }

  #release(piece: Piece): void {
    if (piece.slab === undefined) return
    this.#pool.release(piece.slab, piece.base)
    this.bitmaps--
  }

  /** Makes the run at `index` one with the runs that it touches. */
  #join(index: number): void {
    const piece = this.items[index]!
    const after = this.items[index + 1]
    const before = this.items[index - 1]
    this.#hint = index
    if (after?.slab === undefined && after?.start === piece.end) {
      piece.end = after.end
      this.items.splice(index + 1, 1)
    }
    if (before?.slab === undefined && before?.end === piece.start) {
      before.end = piece.end
      this.items.splice(index, 1)
      this.#hint = index - 1
    }
  }

  /** The index of the first piece that ends after `offset`; the number of pieces if there is none. */
  find(offset: number): number {
    const pieces = this.items
    const hint = this.#hint
    if (
      hint < pieces.length &&
      pieces[hint]!.end > offset &&
      (hint === 0 || pieces[hint - 1]!.end <= offset)
    ) {
      return hint
    }
    let low = 0
    let high = pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (pieces[middle]!.end > offset) high = middle
      else low = middle + 1
    }
    this.#hint = low
    return low
  }
}

/** What is left of [start, end) without [holeStart, holeEnd), as runs. */
function runs(start: number, holeStart: number, holeEnd: number, end: number): Piece[] {
  const pieces: Piece[] = []
  if (start < holeStart) pieces.push(new Piece(start, holeStart))
  if (holeEnd < end) pieces.push(new Piece(holeEnd, end))
  return pieces
}
