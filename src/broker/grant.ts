import type { Chooser } from '../core/choose.js'
import type { Grant } from '../core/entry-body.js'
import type { Dispatcher, Waiter } from './waiters.js'

export interface WaiterGrant {
  readonly waiter: Waiter
  readonly grant: Grant
  /** There was more than the waiter allows. */
  readonly more: boolean
}

type Chosen = Pick<WaiterGrant, 'more'> & Pick<Grant, 'ranges'>

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
    const { ranges, more } = careful
      ? chooseCarefully(dispatcher, chooser, waiter, suspects)
      : chooseShare(dispatcher, chooser, waiter)
    if (ranges.length === 0) continue
    dispatcher.waiters.delete(waiter)
    waiter.granted = true
    served.add(waiter.consumer)
    dispatcher.heard(waiter.consumer)
    granted.push({ waiter, grant: toGrant(dispatcher.group, waiter, ranges), more })
  }
  return granted
}

function chooseShare(dispatcher: Dispatcher, chooser: Chooser, waiter: Waiter): Chosen {
  const before = chooser.left
  const share = Math.ceil(before / dispatcher.waiters.size)
  const most = Math.min(waiter.maxMessages, share)
  const ranges = chooser.take(most, waiter.maxBytes)
  const isBounded = most === waiter.maxMessages || before - chooser.left < most
  return { ranges, more: isBounded && chooser.left > 0 }
}

/** A consumer with a suspect in hand gets nothing; one that could take a suspect gets that or waits until it can. */
function chooseCarefully(
  dispatcher: Dispatcher,
  chooser: Chooser,
  waiter: Waiter,
  suspects: { waiting: number },
): Chosen {
  const holds = dispatcher.heldBy(waiter.consumer)
  if (holds.suspects > 0) return { ranges: [], more: false }
  if (suspects.waiting === 0) return chooseShare(dispatcher, chooser, waiter)
  suspects.waiting--
  const suspect = holds.held === 0 ? chooser.takeSuspect() : undefined
  return { ranges: suspect === undefined ? [] : [suspect, suspect + 1], more: false }
}

function toGrant(group: string, waiter: Waiter, ranges: readonly number[]): Grant {
  return { group, consumer: waiter.consumer, local: waiter.local, duration: waiter.lease, ranges }
}
