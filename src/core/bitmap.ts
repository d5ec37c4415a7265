/** How many offsets one bitmap covers. */
export const BITMAP_BITS = 4096
/** How many 32-bit words that takes. */
export const BITMAP_WORDS = BITMAP_BITS / 32

/*
 * Bit arithmetic on the BITMAP_WORDS words of `words` from `base` on. Bit positions count from 0 to BITMAP_BITS;
 * ranges are half-open and not empty.
 */

export function hasBit(words: Uint32Array, base: number, bit: number): boolean {
  return (words[base + (bit >>> 5)]! & (1 << (bit & 31))) !== 0
}

/** Sets the bits in [from, to) and returns how many were clear. */
export function setBits(words: Uint32Array, base: number, from: number, to: number): number {
  let changed = 0
  const last = (to - 1) >>> 5
  for (let word = from >>> 5; word <= last; word++) {
    const mask = maskOf(word, from, to)
    const before = words[base + word]!
    changed += countOnes(mask & ~before)
    words[base + word] = before | mask
  }
  return changed
}

/** Clears the bits in [from, to) and returns how many were set. */
export function clearBits(words: Uint32Array, base: number, from: number, to: number): number {
  let changed = 0
  const last = (to - 1) >>> 5
  for (let word = from >>> 5; word <= last; word++) {
    const mask = maskOf(word, from, to)
    const before = words[base + word]!
    changed += countOnes(mask & before)
    words[base + word] = before & ~mask
  }
  return changed
}

/** How many bits in [from, to) are set. */
export function countBits(words: Uint32Array, base: number, from: number, to: number): number {
  let count = 0
  const last = (to - 1) >>> 5
  for (let word = from >>> 5; word <= last; word++)
    count += countOnes(words[base + word]! & maskOf(word, from, to))
  return count
}

/** How many runs of set bits there are. */
export function countRuns(words: Uint32Array, base: number): number {
  let runs = 0
  let before = 0
  for (let word = 0; word < BITMAP_WORDS; word++) {
    const bits = words[base + word]!
    runs += countOnes(bits & ~((bits << 1) | before))
    before = bits >>> 31
  }
  return runs
}

/** The lowest set bit ≥ from; BITMAP_BITS if there is none. */
export function nextSetBit(words: Uint32Array, base: number, from: number): number {
  let word = from >>> 5
  if (word >= BITMAP_WORDS) return BITMAP_BITS
  let bits = words[base + word]! & (-1 << (from & 31))
  while (bits === 0) {
    if (++word === BITMAP_WORDS) return BITMAP_BITS
    bits = words[base + word]!
  }
  return word * 32 + lowestOne(bits)
}

/** The lowest clear bit ≥ from; BITMAP_BITS if there is none. */
export function nextClearBit(words: Uint32Array, base: number, from: number): number {
  let word = from >>> 5
  if (word >= BITMAP_WORDS) return BITMAP_BITS
  let bits = ~words[base + word]! & (-1 << (from & 31))
  while (bits === 0) {
    if (++word === BITMAP_WORDS) return BITMAP_BITS
    bits = ~words[base + word]!
  }
  return word * 32 + lowestOne(bits)
}

/** The bits of word number `word` that lie in [from, to), which meets that word. */
function maskOf(word: number, from: number, to: number): number {
  const low = from - word * 32
  const high = to - word * 32
  const above = low > 0 ? -1 << low : -1
  return high < 32 ? above & ~(-1 << high) : above
}

function lowestOne(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function countOnes(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
