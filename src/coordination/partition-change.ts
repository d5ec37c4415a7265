import { PortalError } from '../core/errors.js'
import { isSameReplica } from '../core/placement/placed-partition.js'
import type { PartitionDocument, ReplicaName } from './documents.js'

/**
 * What may be written over a partition's document: the proposal, in a new epoch if it names another leader. Whoever writes
 * the leader raises the epoch in the same write, and nobody else raises it: so each epoch has one writer (invariant 1).
 */
export function checkPartitionChange(
  current: PartitionDocument,
  proposal: PartitionDocument | undefined,
): PartitionDocument | undefined {
  if (proposal === undefined) return undefined
  const { topicId, partition } = current
  if (!isSameReplica(proposal.leader, current.leader)) {
    return { ...proposal, topicId, partition, epoch: current.epoch + 1 }
  }
  // A new incarnation of the leader begins a new epoch too.
  const begins = proposal.leader !== null && proposal.epoch === current.epoch + 1
  if (!begins && proposal.epoch !== current.epoch) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `The epoch of partition ${partition} of ${topicId} is ${current.epoch}: it cannot become ${proposal.epoch}.`,
    )
  }
  return { ...proposal, topicId, partition }
}

/** `leader` in a new epoch, even if it led before: no incarnation resumes an epoch. */
export function beginEpoch(document: PartitionDocument, leader: ReplicaName): PartitionDocument {
  if (document.inSync.some((replica) => isSameReplica(replica, leader))) {
    const { broker, storage } = leader
    return { ...document, epoch: document.epoch + 1, leader: { broker, storage } }
  }
  throw new PortalError(
    'CORRUPT',
    `Partition ${document.partition} of ${document.topicId} cannot be led by ${leader.broker} with the storage ${leader.storage}: it is not in sync, so messages might be missing. Is this directory an old copy?`,
  )
}
