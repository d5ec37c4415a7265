/**
 * The rules of replication, as functions: when an entry is committed, and who is in sync. Sources: PacificA (Microsoft Research, 2008);
 * Apache Kafka's in-sync replicas with leader epochs (KIP-101, KIP-279, KIP-320).
 */

/** What a leader knows of one of its followers, in its epoch. */
export interface FollowerProgress {
  /** Of the document that made it a replica: what it says before it knows of that one, or a newer one, counts for nothing. */
  readonly documentVersion: number
  /** All entries below are fsynced there. -1: nothing was heard in this epoch. */
  position: number
  /** When it asked last (monotonic ms). */
  askedAt: number
  /** When it last had all that there was at that time (monotonic ms). */
  caughtUpAt: number
  /** The log's end as it was when it asked last. */
  endThen: number
  /** Its wall clock when it asked last (ms since the Unix epoch). */
  clock: number
  /** Its life; a request of an earlier one counts for nothing. */
  generation: number
  /** It has followed since this round of the leader had begun. */
  round: number
}

/** Nothing was heard yet: it has until the lag time is over. */
export function unheardFollower(now: number, documentVersion: number): FollowerProgress {
  return {
    documentVersion,
    position: -1,
    askedAt: now,
    caughtUpAt: now,
    endThen: 0,
    clock: Number.POSITIVE_INFINITY,
    generation: -1,
    round: -1,
  }
}

/** A follower asks for what comes from `next` on, where the leader's log ends at `end`. */
export function heardFollower(
  progress: FollowerProgress,
  heard: Pick<FollowerProgress, 'clock' | 'generation' | 'round'> & { readonly next: number },
  end: number,
  now: number,
): void {
  // A log that went back has lost what it had confirmed: it must catch up anew before it counts.
  const wentBack = heard.next < progress.position
  if (wentBack) progress.caughtUpAt = Number.NEGATIVE_INFINITY
  if (heard.next >= end) progress.caughtUpAt = now
  else if (heard.next >= progress.endThen && progress.position >= 0 && !wentBack)
    progress.caughtUpAt = Math.max(progress.caughtUpAt, progress.askedAt)
  progress.position = heard.next
  progress.askedAt = now
  progress.endThen = end
  progress.clock = heard.clock
  progress.generation = heard.generation
  progress.round = heard.round
}

/**
 * The index below which all is committed: what the leader and every follower of every set that may be in force have fsynced. It
 * never falls.
 */
export function highWatermark(
  before: number,
  durable: number,
  followers: Iterable<FollowerProgress>,
): number {
  let least = durable
  for (const { position } of followers) least = Math.min(least, position)
  return Math.max(before, least)
}

/** Whether a replica may join those in sync: it has all that is committed, and has followed this epoch (KIP-320). */
export function mayJoin(progress: FollowerProgress, committed: number, epochStart: number): boolean {
  return progress.position >= committed && progress.position > epochStart
}

/** Whether a replica has been behind, or silent, for too long. */
export function lags(progress: FollowerProgress, now: number, lagTime: number): boolean {
  return now - progress.caughtUpAt > lagTime
}
