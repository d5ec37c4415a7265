import type { StoredEntry } from '../../src/core/entry.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'

/** What was ever written at each offset, committed or not: of topics that were deleted the ledger remembers nothing. */
export class WrittenValues {
  /** `log offset` -> values: another one in another epoch. */
  readonly #values = new Map<string, Set<string>>()

  appended(log: string, { payload, baseOffset, count }: StoredEntry): void {
    const view = new RecordBatchView(payload)
    for (let at = 0; at < count; at++) {
      const place = `${log} ${baseOffset + at}`
      const values = this.#values.get(place) ?? new Set()
      this.#values.set(place, values.add(view.valueText(at)))
    }
  }

  at(log: string, offset: number): ReadonlySet<string> {
    return this.#values.get(`${log} ${offset}`) ?? new Set()
  }
}
