import { electLeader, livingInSync } from './elect-leader.js'
import { cancelMove, finishMove } from './finish-move.js'
import { isLed, type MembersView } from './members-view.js'
import type { PlacedPartition } from './placed-partition.js'
import { renameReplicas } from './rename-replicas.js'

export interface PlacementRules {
  readonly view: MembersView
  readonly minInSync: number
  /** Whether a broker has been away for so long that no move waits for it. */
  readonly isGone: (broker: string) => boolean
}

/** What the controller makes of a partition's document as things stand: all that is to change, in one write. Undefined: nothing. */
export function nextPlacement<P extends PlacedPartition>(
  partition: P,
  { view, minInSync, isGone }: PlacementRules,
): P | undefined {
  let next = electLeader(partition, view, minInSync) ?? partition
  const isDecided = isLed(next, view)
  if (isDecided) {
    const inSync = livingInSync(next, view, minInSync)
    if (inSync !== next.inSync) next = { ...next, inSync }
  }
  next = renameReplicas(next, view)
  if (isDecided) next = finishMove(next, minInSync) ?? next
  next = cancelMove(next, isGone, minInSync) ?? next
  return next === partition ? undefined : next
}
