import { ackBeforeFsync } from './bugs/ack-before-fsync.js'
import { ackBeforeInSyncSet } from './bugs/ack-before-in-sync-set.js'
import { answeredBeforeCommitted } from './bugs/answered-before-committed.js'
import { appliedBeforeCommitted } from './bugs/applied-before-committed.js'
import { dedupeLostOnFailover } from './bugs/dedupe-lost-on-failover.js'
import { deposedLeaderAnswers } from './bugs/deposed-leader-answers.js'
import { joinWithoutCatchUp } from './bugs/join-without-catch-up.js'
import { lateWriteResult } from './bugs/late-write-result.js'
import { leaseWithoutTimer } from './bugs/lease-without-timer.js'
import { shrinkBelowMin } from './bugs/shrink-below-min.js'
import { snapshotBeforeCommit } from './bugs/snapshot-before-commit.js'
import { snapshotWithoutBatches } from './bugs/snapshot-without-batches.js'
import { topicIdByName } from './bugs/topic-id-by-name.js'
import { truncationToHighWatermark } from './bugs/truncation-to-high-watermark.js'
import { uncleanElection } from './bugs/unclean-election.js'
import { unfencedFetch } from './bugs/unfenced-fetch.js'
import type { Mutant } from './mutant.js'

export const mutants: readonly Mutant[] = [
  ackBeforeFsync,
  ackBeforeInSyncSet,
  answeredBeforeCommitted,
  appliedBeforeCommitted,
  dedupeLostOnFailover,
  deposedLeaderAnswers,
  joinWithoutCatchUp,
  lateWriteResult,
  leaseWithoutTimer,
  shrinkBelowMin,
  snapshotBeforeCommit,
  snapshotWithoutBatches,
  topicIdByName,
  truncationToHighWatermark,
  uncleanElection,
  unfencedFetch,
]

/** Throws if there is none of that name. */
export function findMutant(name: string): Mutant {
  const found = mutants.find((mutant) => mutant.name === name)
  if (found) return found
  throw new Error(`There is no mutant ${name}, but: ${mutants.map((mutant) => mutant.name).join(', ')}.`)
}
