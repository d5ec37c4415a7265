import type { MembersView } from './members-view.js'
import { countBrokers, type Move, MoveBoard } from './move-board.js'
import type { PlacedPartition } from './placed-partition.js'

/**
 * Moves that spread replicas evenly over the brokers that take them, racks apart where that is possible, and then the preferred leaders:
 * a broker that was added takes its share, and nothing else moves. Empty if it is so already. What is moving counts as moved.
 */
export function rebalancePlan(partitions: Iterable<PlacedPartition>, view: MembersView): Move[] {
  const board = new MoveBoard(partitions, view)
  board.separateRacks()
  while (board.evenOut());
  board.spreadLeaders()
  return board.moves()
}

/** Moves that take every replica off the brokers in `drained`. A partition that no other broker can take stays. */
export function drainPlan(
  partitions: Iterable<PlacedPartition>,
  view: MembersView,
  drained: ReadonlySet<string>,
): Move[] {
  if (drained.size === 0) return []
  const board = new MoveBoard(partitions, view)
  for (const slot of board.slots) {
    for (const broker of [...slot.brokers]) if (drained.has(broker)) board.replace(slot, broker)
  }
  return board.moves()
}

/** Moves that give partitions the replicas which they lack, as far as there are brokers. `wanted`: how many, by topic id. */
export function completionPlan(
  partitions: Iterable<PlacedPartition>,
  view: MembersView,
  wanted: (topicId: string) => number,
): Move[] {
  const all = [...partitions]
  if (all.every(({ topicId, replicas }) => countBrokers(replicas) >= wanted(topicId))) return []
  const board = new MoveBoard(all, view)
  for (const slot of board.slots) {
    while (slot.brokers.length < wanted(slot.placed.topicId) && board.extend(slot));
  }
  return board.moves()
}
