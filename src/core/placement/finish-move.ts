import { includesReplica, type PlacedPartition, type Replica } from './placed-partition.js'

/**
 * The partition after its move, if it can end: all of `target` are in sync and one of them leads. Undefined otherwise; a leader that
 * is to go hands over first. Never are fewer than `minInSync` left in sync by it.
 */
export function finishMove<P extends PlacedPartition>(partition: P, minInSync: number): P | undefined {
  const { target, inSync } = partition
  if (target === undefined || !target.every((replica) => includesReplica(inSync, replica))) return undefined
  return reduceTo(partition, target, minInSync)
}

/**
 * The partition without its move, if that waits for a broker that will not come. Undefined as well while replicas that the move
 * has brought are needed: it then goes on waiting.
 */
export function cancelMove<P extends PlacedPartition>(
  partition: P,
  isGone: (broker: string) => boolean,
  minInSync: number,
): P | undefined {
  const { target, inSync, replicas } = partition
  const stuck = target?.some((replica) => !includesReplica(inSync, replica) && isGone(replica.broker))
  return stuck ? reduceTo(partition, replicas, minInSync) : undefined
}

/** The partition on these replicas alone: whoever else has it removes it, so none of those may be needed. */
function reduceTo<P extends PlacedPartition>(
  partition: P,
  replicas: readonly Replica[],
  minInSync: number,
): P | undefined {
  const { leader } = partition
  const inSync = partition.inSync.filter((replica) => includesReplica(replicas, replica))
  if (leader === null || !includesReplica(replicas, leader)) return undefined
  if (inSync.length < Math.min(minInSync, partition.inSync.length)) return undefined
  return { ...partition, replicas, inSync, target: undefined }
}
