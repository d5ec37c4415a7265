import { includesReplica, type PlacedPartition } from './placed-partition.js'

/**
 * The partition after its move, if it can end: all of `target` are in sync and one of them leads. Undefined otherwise; a leader that
 * is to go hands over first.
 */
export function finishMove<P extends PlacedPartition>(partition: P): P | undefined {
  const { target, inSync, leader } = partition
  if (target === undefined || leader === null || !includesReplica(target, leader)) return undefined
  if (!target.every((replica) => includesReplica(inSync, replica))) return undefined
  return {
    ...partition,
    replicas: target,
    inSync: inSync.filter((replica) => includesReplica(target, replica)),
    target: undefined,
  }
}

/** The partition without its move, if that waits for a broker that will not come. */
export function cancelMove<P extends PlacedPartition>(
  partition: P,
  isGone: (broker: string) => boolean,
): P | undefined {
  const { target, inSync } = partition
  const stuck = target?.some((replica) => !includesReplica(inSync, replica) && isGone(replica.broker))
  return stuck ? { ...partition, target: undefined } : undefined
}
