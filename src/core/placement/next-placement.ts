import { electLeader, livingInSync } from './elect-leader.js'
import { cancelMove, finishMove } from './finish-move.js'
import { isLed, type MembersView } from './members-view.js'
import { nameOf, type PlacedPartition, type Replica } from './placed-partition.js'

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
  let next = renameReplicas(partition, view)
  next = electLeader(next, view, minInSync) ?? next
  if (isLed(next, view)) {
    const inSync = livingInSync(next, view, minInSync)
    if (inSync !== next.inSync) next = { ...next, inSync }
    next = finishMove(next) ?? next
  }
  next = cancelMove(next, isGone) ?? next
  return next === partition ? undefined : next
}

/**
 * A broker that came back with another database is a new replica in the place of the old one. In sync is whoever was: the old
 * database stays named there for as long as the rules need it, and leads again if it is put back.
 */
function renameReplicas<P extends PlacedPartition>(partition: P, view: MembersView): P {
  const { replicas, target } = partition
  const isOld = ({ broker, storage }: Replica) => (view.get(broker)?.storage ?? storage) !== storage
  if (!replicas.some(isOld) && !target?.some(isOld)) return partition
  const rename = (list: readonly Replica[]) =>
    list.map((replica) => nameOf(view.get(replica.broker) ?? replica))
  return { ...partition, replicas: rename(replicas), target: target && rename(target) }
}
