/** Whether flat half-open ranges, rising and apart, hold the offset. */
export function contains(ranges: readonly number[], offset: number): boolean {
  for (let at = 0; at < ranges.length; at += 2) {
    if (offset < ranges[at]!) return false
    if (offset < ranges[at + 1]!) return true
  }
  return false
}

/** Single offsets and ranges in any order, as rising ranges that are apart. */
export function inOrder(ranges: readonly number[]): number[] {
  const pairs: [number, number][] = []
  for (let at = 0; at < ranges.length; at += 2) pairs.push([ranges[at]!, ranges[at + 1]!])
  pairs.sort((one, other) => one[0] - other[0])
  const joined: number[] = []
  for (const [start, end] of pairs) {
    const last = joined.length - 1
    if (last > 0 && start <= joined[last]!) joined[last] = Math.max(joined[last]!, end)
    else joined.push(start, end)
  }
  return joined
}
