import { nodeCases } from './conformance/nodes.js'
import { persistenceCases } from './conformance/persistence.js'
import { sequenceCases } from './conformance/sequences.js'
import { sessionCases, sharedCases } from './conformance/sessions.js'
import type { CoordinationConformanceCase } from './conformance/support.js'
import { sharedWatchCases, watchCases } from './conformance/watches.js'

export type { CoordinationConformanceCase, OpenCoordination } from './conformance/support.js'

export interface CoordinationConformanceOptions {
  /** Whether several sessions can be open on one tree at a time. */
  readonly shared: boolean
}

/**
 * What every coordination store must do, as named cases for any test runner.
 *
 * @example
 * for (const { name, run } of coordinationConformance({ shared: true })) {
 *   test(name, () => run(openSession))
 * }
 */
export function coordinationConformance(
  options: CoordinationConformanceOptions,
): CoordinationConformanceCase[] {
  const cases = [...nodeCases, ...sequenceCases, ...watchCases, ...sessionCases, ...persistenceCases]
  return options.shared ? [...cases, ...sharedCases, ...sharedWatchCases] : cases
}
