export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which the part `q` of all lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** `count` things in the time that `work` took, per second. */
export async function rate(count: number, work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return (count / (performance.now() - began)) * 1_000
}
