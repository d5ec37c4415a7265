/** Half-open: low ≤ key < high. */
export type Range = readonly [low: number, high: number]

/** What of `whole` lies in none of `holes`, rising. */
export function subtract(whole: Range, holes: readonly Range[]): Range[] {
  const visible: Range[] = []
  let [low] = whole
  const [, end] = whole
  for (const [holeLow, holeHigh] of holes.filter(notEmpty).sort((a, b) => a[0] - b[0])) {
    if (holeLow > low) visible.push([low, Math.min(holeLow, end)])
    low = Math.max(low, holeHigh)
    if (low >= end) return visible.filter(notEmpty)
  }
  visible.push([low, end])
  return visible.filter(notEmpty)
}

function notEmpty([low, high]: Range): boolean {
  return low < high
}
