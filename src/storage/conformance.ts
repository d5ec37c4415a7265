import { entryCases } from './conformance/entries.js'
import { lifecycleCases } from './conformance/lifecycle.js'
import { persistenceCases } from './conformance/persistence.js'
import { snapshotCases } from './conformance/snapshots.js'
import type { StorageConformanceCase } from './conformance/support.js'

export type { OpenStorage, StorageConformanceCase } from './conformance/support.js'

export interface StorageConformanceOptions {
  /** Whether what was committed is there again after `close` and another open. */
  readonly persistent: boolean
}

/**
 * What every storage must do, as named cases for any test runner.
 *
 * @example
 * for (const { name, run } of storageConformance({ persistent: false })) {
 *   test(name, () => run(async () => memoryStorage()))
 * }
 */
export function storageConformance(options: StorageConformanceOptions): StorageConformanceCase[] {
  const cases = [...entryCases, ...snapshotCases, ...lifecycleCases]
  return options.persistent ? [...cases, ...persistenceCases] : cases
}
