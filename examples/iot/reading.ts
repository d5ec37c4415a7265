/** What a sensor sends. */
export interface Reading {
  readonly sensor: string
  /** Counted from 0 by each sensor. */
  readonly number: number
  readonly celsius: number
}
