import type { Database, Statement } from './binding.js'

/** Finds the highest index that a log holds, looking past ranges that are deleted but still have rows. */
export class HighestIndex {
  readonly #highestBelow: readonly [Statement, Statement]
  readonly #hidden: readonly [Statement, Statement]

  constructor(db: Database) {
    const highestBelow = (table: string): Statement =>
      db.prepare(`SELECT max(idx) FROM ${table} WHERE log = ? AND idx < ?`).pluck()
    const hidden = (table: string): Statement =>
      db
        .prepare(
          `SELECT min(low) FROM deletions WHERE log = ? AND what = '${table}' AND low <= ? AND high > ?`,
        )
        .pluck()
    this.#highestBelow = [highestBelow('batches'), highestBelow('states')]
    this.#hidden = [hidden('batches'), hidden('states')]
  }

  /** -1 if the log holds nothing. */
  of(log: number): number {
    return Math.max(this.#ofTable(log, 0), this.#ofTable(log, 1))
  }

  #ofTable(log: number, table: 0 | 1): number {
    for (let below = Number.MAX_SAFE_INTEGER; ; ) {
      const highest = this.#highestBelow[table].get(log, below) as number | null
      if (highest === null) return -1
      const hiddenFrom = this.#hidden[table].get(log, highest, highest) as number | null
      if (hiddenFrom === null) return highest
      below = hiddenFrom
    }
  }
}
