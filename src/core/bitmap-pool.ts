import { BITMAP_WORDS } from './bitmap.js'

/** A typed array of its own costs 250 bytes and 0.7 µs beside the 512 bytes of a bitmap: sixteen share one. */
const BITMAPS_PER_SLAB = 16
const ALL_FREE = 2 ** BITMAPS_PER_SLAB - 1

/** Room for several bitmaps; each begins at a multiple of BITMAP_WORDS. */
export interface Slab {
  readonly words: Uint32Array
  /** One bit for each place that is free. */
  free: number
}

/** Hands out zeroed bitmaps and takes them back; gives slabs up that nobody uses. */
export class BitmapPool {
  readonly #withRoom: Slab[] = []

  /** A slab with a free place, for `claim`. */
  slab(): Slab {
    const last = this.#withRoom.at(-1)
    if (last) return last
    const slab = { words: new Uint32Array(BITMAPS_PER_SLAB * BITMAP_WORDS), free: ALL_FREE }
    this.#withRoom.push(slab)
    return slab
  }

  /** Takes a place of `slab`, which `slab()` just returned: where its zeroed bitmap begins. */
  claim(slab: Slab): number {
    const place = 31 - Math.clz32(slab.free)
    slab.free &= ~(1 << place)
    if (slab.free === 0) this.#withRoom.pop()
    const base = place * BITMAP_WORDS
    slab.words.fill(0, base, base + BITMAP_WORDS)
    return base
  }

  /** Gives back what was claimed. */
  release(slab: Slab, base: number): void {
    if (slab.free === 0) this.#withRoom.push(slab)
    slab.free |= 1 << (base / BITMAP_WORDS)
    if (slab.free === ALL_FREE && this.#withRoom.length > 1) {
      this.#withRoom.splice(this.#withRoom.indexOf(slab), 1)
    }
  }
}
