import type { MetricSample } from '../../protocol/metrics.js'

/** Counts how many observations were at most so large. */
export class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  /** Rising upper bounds; above the last one there is one more bucket. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let at = 0
    while (at < this.#bounds.length && value > this.#bounds[at]!) at++
    this.#counts[at]!++
    this.#sum += value
  }

  /** Cumulative, as Prometheus has them. */
  samples(): MetricSample[] {
    const samples: MetricSample[] = []
    let count = 0
    this.#counts.forEach((more, at) => {
      count += more
      const bound = this.#bounds[at]
      samples.push({
        suffix: '_bucket',
        labels: { le: bound === undefined ? '+Inf' : String(bound) },
        value: count,
      })
    })
    samples.push(
      { suffix: '_sum', labels: {}, value: this.#sum },
      { suffix: '_count', labels: {}, value: count },
    )
    return samples
  }
}
