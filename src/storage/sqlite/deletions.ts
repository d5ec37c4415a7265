import type { Database, Statement } from './binding.js'

/** What rows are deleted from, each with the column that a range speaks of. */
const KEY_COLUMNS = { batches: 'idx', states: 'idx', pages: 'page' } as const

export type DeletedFrom = keyof typeof KEY_COLUMNS

/**
 * How many rows one statement deletes: about 256 KiB of full batches, and as much time for the small ones. It is what a
 * commit that waits has to wait for.
 */
const SLICE: Record<DeletedFrom, number> = { batches: 24, states: 256, pages: 8 }

/** An unbounded end. */
export const NO_END = Number.MAX_SAFE_INTEGER

interface Deletion {
  readonly id: number
  readonly log: number
  readonly what: DeletedFrom | 'log'
  readonly low: number
  readonly high: number
}

/**
 * Removes ranges of rows without ever holding up commits: the first slice goes at once, in the commit that asks for it.
 * If that was not all, the range is noted in the same commit, readers skip it from then on, and `slice` removes the
 * rest between commits, after a restart too. In one go, 1 M messages of 100 bytes
 * took 31 ms with everything cached (measured once): too long for a commit to wait, and it grows with the log.
 */
export class Deletions {
  readonly #delete: Record<DeletedFrom, Statement>
  readonly #note: Statement
  readonly #next: Statement
  readonly #remove: Statement
  readonly #ofLog: Statement
  readonly #unregister: Statement
  /** Whether any range may be noted. */
  #pending: boolean
  /** Whether rows have been removed since `takeRemoved` was last called. */
  #removed = true

  constructor(db: Database) {
    const deleteFrom = (what: DeletedFrom): Statement =>
      db.prepare(
        `DELETE FROM ${what} WHERE rowid IN (SELECT rowid FROM ${what} WHERE log = ? AND ${KEY_COLUMNS[what]} >= ? ` +
          `AND ${KEY_COLUMNS[what]} < ? ORDER BY ${KEY_COLUMNS[what]} LIMIT ${SLICE[what]})`,
      )
    this.#delete = {
      batches: deleteFrom('batches'),
      states: deleteFrom('states'),
      pages: deleteFrom('pages'),
    }
    this.#note = db.prepare('INSERT INTO deletions (log, what, low, high) VALUES (?, ?, ?, ?)')
    this.#next = db.prepare('SELECT * FROM deletions ORDER BY id LIMIT 1')
    this.#ofLog = db.prepare('SELECT * FROM deletions WHERE log = ?')
    this.#remove = db.prepare('DELETE FROM deletions WHERE id = ?')
    this.#unregister = db.prepare('DELETE FROM logs WHERE id = ?')
    this.#pending = this.#next.get() !== undefined
  }

  get pending(): boolean {
    return this.#pending
  }

  takeRemoved(): boolean {
    const removed = this.#removed
    this.#removed = false
    return removed
  }

  /** To be called within a transaction, as all that follows. */
  range(log: number, what: DeletedFrom, low: number, high: number): void {
    if (this.#deleteSome(log, what, low, high) < SLICE[what]) return
    this.#note.run(log, what, low, high)
    this.#pending = true
  }

  /** All that is filed under the id of a log, and at the end the id itself, which has lost its name. */
  wholeLog(log: number): void {
    for (const what of ['batches', 'states', 'pages'] as const) this.range(log, what, 0, NO_END)
    if (this.#ofLog.get(log) === undefined) this.#unregister.run(log)
    else this.#note.run(log, 'log', 0, 0)
  }

  /** Removes a range to its end, now: what follows in this commit needs its place. */
  now(log: number, what: DeletedFrom, low: number, high: number): void {
    while (this.#deleteSome(log, what, low, high) > 0);
  }

  /** Finishes the noted ranges of `log` in `what` that hold keys ≥ `low`: such keys are about to be used again. */
  finish(log: number, what: DeletedFrom, low: number): void {
    if (!this.#pending) return
    for (const deletion of this.#ofLog.all(log) as Deletion[]) {
      if (deletion.what !== what || deletion.high <= low) continue
      this.now(log, what, deletion.low, deletion.high)
      this.#remove.run(deletion.id)
    }
  }

  /** Removes one slice of the oldest noted range. */
  slice(): void {
    const deletion = this.#next.get() as Deletion | undefined
    if (deletion === undefined) this.#pending = false
    else if (deletion.what === 'log') {
      this.#unregister.run(deletion.log)
      this.#remove.run(deletion.id)
    } else if (this.#deleteSome(deletion.log, deletion.what, deletion.low, deletion.high) === 0) {
      this.#remove.run(deletion.id)
    }
  }

  /** After a rollback: what was noted may be gone, what is there must be looked for. */
  rolledBack(): void {
    this.#pending = true
  }

  #deleteSome(log: number, what: DeletedFrom, low: number, high: number): number {
    const { changes } = this.#delete[what].run(log, low, high)
    if (changes > 0) this.#removed = true
    return changes
  }
}
