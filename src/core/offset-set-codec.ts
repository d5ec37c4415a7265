import { BITMAP_WORDS, clearBits, countRuns } from './bitmap.js'
import type { ByteReader, ByteWriter } from './bytes.js'
import { PortalError } from './errors.js'
import { WINDOW, windowStart } from './offset-pieces.js'
import type { OffsetSet } from './offset-set.js'

/** A run takes two bytes or more, a bitmap 512: with more runs than this in a window the bitmap is smaller. */
const MAX_RUNS = BITMAP_WORDS * 2

/** What follows: the end, a bitmap, or a run of (code - 1) members. */
const END = 0
const BITMAP = 1

/**
 * Writes the members in [from, to), as runs and bitmaps, whichever is smaller. The same members give the same bytes,
 * whatever has been done to the set before.
 */
export function encodeRange(set: OffsetSet, writer: ByteWriter, from: number, to: number): void {
  const words = new Uint32Array(BITMAP_WORDS)
  let end = from
  // Below it, the window is known to be written as runs.
  let asRuns = from
  writer.varint(from)
  for (let start = set.next(from); start >= 0 && start < to; start = set.next(end)) {
    const window = windowStart(start)
    if (start >= asRuns) {
      asRuns = window + WINDOW
      if (set.copyBitmap(window, words) && isRagged(words, end - window, to - window)) {
        writer.varint(BITMAP)
        writer.varint((window - windowStart(end)) / WINDOW)
        for (const word of words) writeWord(writer, word)
        end = asRuns
        continue
      }
    }
    const runEnd = Math.min(set.nextMissing(start), to)
    writer.varint(runEnd - start + 1)
    writer.varint(start - end)
    end = runEnd
  }
  writer.varint(END)
}

/** Adds to `set` what `encodeRange` wrote. Throws CORRUPT if that cannot have written it. */
export function decodeInto(reader: ByteReader, set: OffsetSet): void {
  const words = new Uint32Array(BITMAP_WORDS)
  let end = reader.varint()
  for (let code = reader.varint(); code !== END; code = reader.varint()) {
    if (code === BITMAP) {
      const window = checkOffset(windowStart(end) + reader.varint() * WINDOW)
      end = checkOffset(window + WINDOW)
      for (let word = 0; word < BITMAP_WORDS; word++) words[word] = readWord(reader)
      set.addBitmap(window, words)
    } else {
      const start = checkOffset(end + reader.varint())
      end = checkOffset(start + code - 1)
      set.add(start, end)
    }
  }
}

/** Whether bits [from, to) are too many runs to be written as such; clears the other bits. */
function isRagged(words: Uint32Array, from: number, to: number): boolean {
  if (from > 0) clearBits(words, 0, 0, from)
  if (to < WINDOW) clearBits(words, 0, to, WINDOW)
  return countRuns(words, 0) > MAX_RUNS
}

function checkOffset(offset: number): number {
  if (offset > Number.MAX_SAFE_INTEGER)
    throw new PortalError('CORRUPT', 'A set of offsets leaves the range of offsets.')
  return offset
}

/** Four bytes, big-endian. */
function writeWord(writer: ByteWriter, word: number): void {
  for (let shift = 24; shift >= 0; shift -= 8) writer.u8(word >>> shift)
}

function readWord(reader: ByteReader): number {
  let word = 0
  for (const byte of reader.raw(4)) word = (word << 8) | byte
  return word >>> 0
}
