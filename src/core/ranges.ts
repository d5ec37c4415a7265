import type { ByteReader, ByteWriter } from './bytes.js'
import { PortalError } from './errors.js'

/**
 * Flat half-open ranges of offsets: [start, end, start, end, …], rising and apart. The form in which offsets travel.
 */
export type Ranges = readonly number[]

/** Appends [start, end), joining it to the last range when they touch. `start` is not below the last end. */
export function pushRange(ranges: number[], start: number, end: number): void {
  if (start >= end) return
  const last = ranges.length - 1
  if (last > 0 && ranges[last] === start) ranges[last] = end
  else ranges.push(start, end)
}

export function countRanges(ranges: Ranges): number {
  let count = 0
  for (let at = 0; at < ranges.length; at += 2) count += ranges[at + 1]! - ranges[at]!
  return count
}

/** Throws INVALID_ARGUMENT unless `ranges` are rising, apart and made of offsets. */
export function checkRanges(ranges: Ranges): void {
  let end = -1
  for (let at = 0; at < ranges.length; at += 2) {
    const start = ranges[at]!
    const next = ranges[at + 1]
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(next) ||
      start < 0 ||
      start < end ||
      next! <= start
    ) {
      throw new PortalError(
        'INVALID_ARGUMENT',
        'Offset ranges must be pairs of whole numbers, rising and apart.',
      )
    }
    end = next!
  }
}

export function writeRanges(writer: ByteWriter, ranges: Ranges): void {
  writer.varint(ranges.length >> 1)
  let before = 0
  for (let at = 0; at < ranges.length; at += 2) {
    writer.varint(ranges[at]! - before)
    writer.varint(ranges[at + 1]! - ranges[at]!)
    before = ranges[at + 1]!
  }
}

export function readRanges(reader: ByteReader): number[] {
  const ranges: number[] = []
  let before = 0
  for (let left = reader.varint(); left > 0; left--) {
    const start = before + reader.varint()
    before = start + reader.varint()
    ranges.push(start, before)
  }
  return ranges
}
