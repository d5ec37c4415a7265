import type { Chooser } from '../core/choose.js'
import type { Grant } from '../core/entry-body.js'
import type { Dispatcher, Waiter } from './waiters.js'

export interface WaiterGrant {
  readonly waiter: Waiter
  readonly grant: Grant
}

/**
 * Hands what a chooser has to the waiters of a group, in order; they share it evenly. Suspects come first and alone: as many
 * consumers as there are suspects are served with nothing else until they hold nothing (invariant 22).
 */
export function grantWaiters(dispatcher: Dispatcher, chooser: Chooser, limit: number): WaiterGrant[] {
  const granted: WaiterGrant[] = []
  const suspects = dispatcher.suspects()
  /** Who got something just now: what it holds does not show yet. */
  const served = new Set<string>()
  const careful = suspects.waiting > 0 || suspects.held > 0
  for (const waiter of dispatcher.waiters) {
    if (granted.length >= limit) break
    if (!careful && chooser.left === 0) break
    if (careful && served.has(waiter.consumer)) continue
    const ranges = careful
      ? chooseCarefully(dispatcher, chooser, waiter, suspects)
      : chooseShare(dispatcher, chooser, waiter)
    if (ranges.length === 0) continue
    dispatcher.waiters.delete(waiter)
    waiter.granted = true
    served.add(waiter.consumer)
    dispatcher.heard(waiter.consumer)
    granted.push({ waiter, grant: toGrant(dispatcher.group, waiter, ranges) })
  }
  return granted
}

function chooseShare(dispatcher: Dispatcher, chooser: Chooser, waiter: Waiter): number[] {
  const share = Math.ceil(chooser.left / dispatcher.waiters.size)
  return chooser.take(Math.min(waiter.maxMessages, share), waiter.maxBytes)
}

/** A consumer with a suspect in hand gets nothing; one that could take a suspect gets that or waits until it can. */
function chooseCarefully(
  dispatcher: Dispatcher,
  chooser: Chooser,
  waiter: Waiter,
  suspects: { waiting: number },
): number[] {
  const holds = dispatcher.heldBy(waiter.consumer)
  if (holds.suspects > 0) return []
  if (suspects.waiting === 0) return chooseShare(dispatcher, chooser, waiter)
  suspects.waiting--
  const suspect = holds.held === 0 ? chooser.takeSuspect() : undefined
  return suspect === undefined ? [] : [suspect, suspect + 1]
}

function toGrant(group: string, waiter: Waiter, ranges: readonly number[]): Grant {
  return { group, consumer: waiter.consumer, local: waiter.local, duration: waiter.lease, ranges }
}
