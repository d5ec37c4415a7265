/** What a row measured: one line of the table. */
export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: '/s' | 'ms' | 'MB' | '×'
  /** From performance.md: what is to be reached. */
  readonly goal?: { readonly atLeast: number } | { readonly below: number } | undefined
  /** The baselines that were measured beside it, and the value as a multiple of each. */
  readonly beside?: readonly Beside[] | undefined
}

export interface Beside {
  readonly baseline: string
  readonly value: number
  readonly ratio: number
}

export interface RowOptions {
  /** Smaller counts: the whole table in about a minute. */
  readonly quick: boolean
  /** Fresh, empty, on a real disk; removed afterwards. */
  readonly directory: string
}

/** Runs in a process of its own. */
export type Row = (options: RowOptions) => Promise<readonly Figure[]>

/** Whether the goal is reached; undefined: there is none. */
export function reached({ goal, value }: Figure): boolean | undefined {
  if (goal === undefined) return undefined
  return 'atLeast' in goal ? value >= goal.atLeast : value < goal.below
}

/** `value` as a multiple of a baseline of the same run. */
export function beside(baseline: string, value: number, of: number): Beside {
  return { baseline, value: of, ratio: value / of }
}
