import type { Mutant } from '../mutant.js'

export const readsUncommitted: Mutant = {
  name: 'reads-uncommitted',
  bug: 'Readers are shown what the leader has stored, not what is committed: they have read what was never there. MongoDB before read concern "majority" (Jepsen).',
  cast: 'cluster',
  shows: /^\[(3|12)\] /,
  changes: [
    {
      file: 'broker/entry-log.ts',
      code: `    group.onCommitted(() => {
      observeCommitted(this.#lead, bodies)`,
      becomes: `    group.onStored(() => {
      observeCommitted(this.#lead, bodies)`,
    },
  ],
}
