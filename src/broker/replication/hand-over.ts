import type { VersionedPartition } from '../../coordination/partition-version.js'
import { PortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import { type Led, notLed } from './led.js'

/** How long a successor has to fetch what it lacks (ms). */
const HAND_OVER = 5_000

export interface HandOver {
  readonly to: Incarnation
  /** Not before `to` has everything. */
  readonly whole: boolean
  /** Called when another leads, before this one can again. */
  written(changed: VersionedPartition): void
}

/**
 * Hands leadership over: holds what comes, waits until `to` has everything, and writes the document. Whoever waits here is then
 * sent on with NOT_LEADER. Rejects with NOT_LEADER, or NOT_ENOUGH_REPLICAS if `to` does not catch up in time.
 */
export async function handOver(
  runtime: Runtime,
  led: Led,
  { to, whole, written }: HandOver,
): Promise<VersionedPartition> {
  const { partition, leading, epoch } = led
  partition.hold(true)
  try {
    if (whole) await untilCaughtUp(runtime, led, to)
    const changed = await leading.handOver(to)
    if (changed === undefined || changed.epoch === epoch || !isSameReplica(changed.leader, to))
      throw notLed(led.log)
    written(changed)
    return changed
  } finally {
    if (!partition.closed) partition.hold(false)
  }
}

async function untilCaughtUp(
  { timers, clock }: Runtime,
  { leading, partition, log }: Led,
  to: Incarnation,
): Promise<void> {
  const until = clock.monotonic() + HAND_OVER
  while (!leading.hasEverything(to)) {
    if (partition.closed) throw partition.closed
    const left = until - clock.monotonic()
    if (left <= 0 || !leading.isInSync(to)) {
      throw new PortalError(
        'NOT_ENOUGH_REPLICAS',
        `${to.broker} is not in sync with ${log}, or does not catch up: it cannot lead.`,
      )
    }
    await sleepUntil<true>(timers, 'hand-over', { timeout: Math.min(left, 100) }, (resolve) =>
      leading.onceHeard(() => resolve(true)),
    )
  }
}
