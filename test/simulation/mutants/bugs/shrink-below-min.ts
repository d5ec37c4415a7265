import type { Mutant } from '../mutant.js'

export const shrinkBelowMin: Mutant = {
  name: 'shrink-below-min',
  bug: 'The in-sync set shrinks below minInSync: what was appended before is acknowledged with too few copies.',
  cast: 'cluster',
  shows: /^\[3\] .* is on \d+ disks/,
  changes: [
    {
      file: 'broker/replication/leading.ts',
      code: 'const least = Math.max(1, Math.min(this.#led.minInSync(), this.#document.replicas.length))',
      becomes: 'const least = 1',
    },
  ],
}
