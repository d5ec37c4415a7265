import type { Mutant } from '../mutant.js'

export const shrinkBelowMin: Mutant = {
  name: 'shrink-below-min',
  bug: 'The in-sync set shrinks below minInSync: what was appended before is acknowledged with too few copies.',
  cast: 'cluster',
  shows: /^\[3\] .* is on \d+ disks/,
  changes: [
    {
      file: 'broker/replication/in-sync-set.ts',
      code: 'const least = Math.max(1, this.least)',
      becomes: 'const least = 1',
    },
  ],
}
