/** One metric with all its samples, named and typed as Prometheus does: base units, counters that end in `_total`. */
export interface MetricFamily {
  readonly name: string
  /** A sentence. */
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly MetricSample[]
}

export interface MetricSample {
  /** Behind the family's name: a histogram's `_bucket`, `_sum` and `_count`. @default '' */
  readonly suffix?: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** Finite. */
  readonly value: number
}
