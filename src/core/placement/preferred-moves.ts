import { canLead, canTakeMessages, isLed, type MembersView } from './members-view.js'
import { includesReplica, isSameReplica, type PlacedPartition, type Replica } from './placed-partition.js'

/** Leadership of a partition that should go from its living leader to another replica in sync. */
export interface LeaderMove {
  readonly topicId: string
  readonly partition: number
  readonly epoch: number
  readonly from: Replica
  readonly to: Replica
}

/**
 * Leaders that should hand over: to the preferred replica where that is in sync, because a move takes them away, or because they take no messages
 * and another in sync does.
 */
export function preferredMoves(partitions: Iterable<PlacedPartition>, view: MembersView): LeaderMove[] {
  const moves: LeaderMove[] = []
  for (const placed of partitions) {
    const { topicId, partition, epoch, leader, target } = placed
    if (leader === null || !isLed(placed, view)) continue
    const wanted = target === undefined ? preferred(placed, view) : leaderAfterMove(placed, target, view)
    const isFull = view.get(leader.broker)?.full
    const to = isFull && (!wanted || isSameReplica(wanted, leader)) ? withRoom(placed, view) : wanted
    if (to && !isSameReplica(to, leader)) moves.push({ topicId, partition, epoch, from: leader, to })
  }
  return moves
}

function preferred({ replicas, inSync }: PlacedPartition, view: MembersView): Replica | undefined {
  const [first] = replicas
  const ready = first && includesReplica(inSync, first) && canTakeMessages(first, view)
  return ready && !view.get(first.broker)?.drained ? first : undefined
}

/** The first in sync that would take messages. */
function withRoom(
  { replicas, inSync, target = [] }: PlacedPartition,
  view: MembersView,
): Replica | undefined {
  return [...target, ...replicas].find((replica) => {
    return includesReplica(inSync, replica) && canTakeMessages(replica, view)
  })
}

/** Who leads when the move is done, once all of it are in sync; the leader itself if it stays. */
function leaderAfterMove(
  { leader, inSync }: PlacedPartition,
  target: readonly Replica[],
  view: MembersView,
): Replica | undefined {
  if (leader && includesReplica(target, leader)) return leader
  if (!target.every((replica) => includesReplica(inSync, replica))) return undefined
  return (
    target.find((replica) => canTakeMessages(replica, view)) ??
    target.find((replica) => canLead(replica, view))
  )
}
