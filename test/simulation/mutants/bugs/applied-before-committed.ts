import type { Mutant } from '../mutant.js'

export const appliedBeforeCommitted: Mutant = {
  name: 'applied-before-committed',
  bug: 'A follower takes for committed, and applies, all that it has: it can never truncate what the next leader has not.',
  cast: 'cluster',
  shows: /^CORRUPT on sound disks|^\[[3-6]\] /,
  changes: [
    {
      file: 'broker/replication/follower.ts',
      code: 'const to = Math.min(highWatermark, this.#next)',
      becomes: 'const to = Math.max(highWatermark, this.#next)',
    },
  ],
}
