import type { Mutant } from '../mutant.js'

export const joinWithoutCatchUp: Mutant = {
  name: 'join-without-catch-up',
  bug: 'A replica is in sync as soon as it fetches, not once it has all that is committed.',
  cast: 'cluster',
  shows: /^\[8\] /,
  changes: [
    {
      file: 'core/replication.ts',
      code: 'return progress.position >= committed && progress.position > epochStart',
      becomes: 'return progress.position >= 0',
    },
    {
      file: 'broker/replication/in-sync-set.ts',
      code: 'return mayJoin(progress, committed(), epochStart) && !lags(progress, now, this.#host.lagTime)',
      becomes: 'return mayJoin(progress, committed(), epochStart)',
    },
  ],
}
