import { expiryCases, interruptionCases } from './conformance/faults.js'
import { nodeCases } from './conformance/nodes.js'
import { persistenceCases } from './conformance/persistence.js'
import { sequenceCases, sharedSequenceCases } from './conformance/sequences.js'
import { sessionCases, sharedCases } from './conformance/sessions.js'
import type { CoordinationConformanceCase, ExpireSession, InterruptSession } from './conformance/support.js'
import { sharedWatchCases, watchCases } from './conformance/watches.js'

export type {
  CoordinationConformanceCase,
  ExpireSession,
  InterruptSession,
  OpenCoordination,
} from './conformance/support.js'

export interface CoordinationConformanceOptions {
  /** Whether several sessions can be open on one tree at a time. */
  readonly shared: boolean
  /** Ends a session as the service does that no longer hears of it. Needs `shared`. @default none: what follows is not tested */
  readonly expire?: ExpireSession | undefined
  /** Cuts a session off for a moment. Needs `shared`. @default none: what follows is not tested */
  readonly interrupt?: InterruptSession | undefined
}

/**
 * What every coordination store must do, as named cases for any test runner.
 *
 * @example
 * for (const { name, run } of coordinationConformance({ shared: true })) {
 *   test(name, () => run(openSession))
 * }
 */
export function coordinationConformance({
  shared,
  expire,
  interrupt,
}: CoordinationConformanceOptions): CoordinationConformanceCase[] {
  const cases = [...nodeCases, ...sequenceCases, ...watchCases, ...sessionCases, ...persistenceCases]
  if (!shared) return cases
  return [
    ...cases,
    ...sharedCases,
    ...sharedSequenceCases,
    ...sharedWatchCases,
    ...(expire ? expiryCases(expire) : []),
    ...(interrupt ? interruptionCases(interrupt) : []),
  ]
}
