import { canLead, canTakeMessages, isAlive, isLed, type MembersView } from './members-view.js'
import {
  includesReplica,
  isSameReplica,
  nameOf,
  type PlacedPartition,
  type Replica,
} from './placed-partition.js'
import { isReplaced } from './rename-replicas.js'

/**
 * The partition under a new leader in a new epoch, if it needs one and somebody can. Undefined: its leader lives in the life
 * that was elected, or nobody who has every acknowledged message lives (invariant 4): then it stays as it is.
 */
export function electLeader<P extends PlacedPartition>(
  partition: P,
  view: MembersView,
  minInSync: number,
): P | undefined {
  if (isLed(partition, view)) return undefined
  const { inSync } = partition
  const able = everyReplica(partition).filter((replica) => {
    return includesReplica(inSync, replica) && canLead(replica, view)
  })
  const leader = able.find((replica) => canTakeMessages(replica, view)) ?? able[0]
  if (leader === undefined) return undefined
  return { ...lead(partition, leader, view), inSync: livingInSync(partition, view, minInSync) }
}

/**
 * The partition under a leader that may lack acknowledged messages, alone in sync. Undefined if no replica of it lives, or not the one
 * asked for. Whoever calls has been told what may be lost.
 */
export function electUncleanLeader<P extends PlacedPartition>(
  partition: P,
  view: MembersView,
  broker?: string | undefined,
): P | undefined {
  const leader = everyReplica(partition).find((replica) => {
    return canLead(replica, view) && (broker === undefined || replica.broker === broker)
  })
  return leader && { ...lead(partition, leader, view), inSync: [nameOf(leader)] }
}

/**
 * Those in sync without the dead and those that are about to leave, but never fewer than `minInSync`, or than there are: what is acknowledged must be on that
 * many. Of the dead, those whose brokers have another database by now are dropped first.
 */
export function livingInSync(
  { inSync, leader }: PlacedPartition,
  view: MembersView,
  minInSync: number,
): readonly Replica[] {
  const dead = inSync.filter((replica) => !isAlive(replica, view))
  const leaving = inSync.filter((replica) => {
    return isAlive(replica, view) && view.get(replica.broker)?.leaving && !isSameReplica(leader, replica)
  })
  const droppable = [
    ...dead.filter((replica) => isReplaced(replica, view)),
    ...dead.filter((replica) => !isReplaced(replica, view)),
    ...leaving,
  ]
  const dropped = droppable.slice(0, Math.max(0, inSync.length - minInSync))
  return dropped.length === 0 ? inSync : inSync.filter((replica) => !includesReplica(dropped, replica))
}

/** In the order of preference. */
function everyReplica({ replicas, target = [] }: PlacedPartition): Replica[] {
  return [
    ...replicas,
    ...target.filter((replica) => !replicas.some((other) => isSameReplica(other, replica))),
  ]
}

function lead<P extends PlacedPartition>(partition: P, leader: Replica, view: MembersView): P {
  const incarnation = view.get(leader.broker)?.generation
  return { ...partition, leader: nameOf(leader), incarnation, epoch: partition.epoch + 1 }
}
