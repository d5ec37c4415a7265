import { ackBeforeFsync } from './bugs/ack-before-fsync.js'
import { ackBeforeInSyncSet } from './bugs/ack-before-in-sync-set.js'
import { answeredBeforeCommitted } from './bugs/answered-before-committed.js'
import { answersBeforeOwnEpoch } from './bugs/answers-before-own-epoch.js'
import { appliedBeforeCommitted } from './bugs/applied-before-committed.js'
import { deadLetterBeforeDying } from './bugs/dead-letter-before-dying.js'
import { dedupeLostOnFailover } from './bugs/dedupe-lost-on-failover.js'
import { deposedLeaderAnswers } from './bugs/deposed-leader-answers.js'
import { epochResumed } from './bugs/epoch-resumed.js'
import { failoverCountsAsFailure } from './bugs/failover-counts-as-failure.js'
import { fastDoubleFailover } from './bugs/fast-double-failover.js'
import { joinWithoutCatchUp } from './bugs/join-without-catch-up.js'
import { lateWriteResult } from './bugs/late-write-result.js'
import { leaseByWallClock } from './bugs/lease-by-wall-clock.js'
import { leaseWithoutTimer } from './bugs/lease-without-timer.js'
import { proposedSet } from './bugs/proposed-set.js'
import { readsUncommitted } from './bugs/reads-uncommitted.js'
import { refusedByTheDeposed } from './bugs/refused-by-the-deposed.js'
import { shrinkBelowMin } from './bugs/shrink-below-min.js'
import { snapshotBeforeCommit } from './bugs/snapshot-before-commit.js'
import { snapshotWithoutBatches } from './bugs/snapshot-without-batches.js'
import { topicIdByName } from './bugs/topic-id-by-name.js'
import { truncationToHighWatermark } from './bugs/truncation-to-high-watermark.js'
import { uncleanElection } from './bugs/unclean-election.js'
import { unfencedFetch } from './bugs/unfenced-fetch.js'
import { unfinishedInstall } from './bugs/unfinished-install.js'
import { writtenCountsAsFsynced } from './bugs/written-counts-as-fsynced.js'
import type { Mutant } from './mutant.js'

export const mutants: readonly Mutant[] = [
  ackBeforeFsync,
  ackBeforeInSyncSet,
  answeredBeforeCommitted,
  answersBeforeOwnEpoch,
  appliedBeforeCommitted,
  deadLetterBeforeDying,
  dedupeLostOnFailover,
  deposedLeaderAnswers,
  epochResumed,
  failoverCountsAsFailure,
  fastDoubleFailover,
  joinWithoutCatchUp,
  lateWriteResult,
  leaseByWallClock,
  leaseWithoutTimer,
  proposedSet,
  readsUncommitted,
  refusedByTheDeposed,
  shrinkBelowMin,
  snapshotBeforeCommit,
  snapshotWithoutBatches,
  topicIdByName,
  truncationToHighWatermark,
  uncleanElection,
  unfencedFetch,
  unfinishedInstall,
  writtenCountsAsFsynced,
]

/** Throws if there is none of that name. */
export function findMutant(name: string): Mutant {
  const found = mutants.find((mutant) => mutant.name === name)
  if (found) return found
  throw new Error(`There is no mutant ${name}, but: ${mutants.map((mutant) => mutant.name).join(', ')}.`)
}
