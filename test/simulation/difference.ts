/** Where two plain values part, and what stands there. */
export function firstDifference(one: unknown, other: unknown, path = ''): string | undefined {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return Object.is(one, other) ? undefined : `${path}: ${JSON.stringify(one)}, not ${JSON.stringify(other)}`
  }
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const difference = firstDifference(
      (one as Record<string, unknown>)[key],
      (other as Record<string, unknown>)[key],
      `${path}.${key}`,
    )
    if (difference) return difference
  }
  return undefined
}
