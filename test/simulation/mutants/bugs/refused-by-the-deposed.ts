import type { Mutant } from '../mutant.js'

export const refusedByTheDeposed: Mutant = {
  name: 'refused-by-the-deposed',
  bug: 'A leader that is deposed says of all that waits there that it is not stored, of what it has appended, too: its successor may have that.',
  cast: 'cluster',
  shows: /^\[16\] .* (says NOT_LEADER of|its sender was told that it is not)/,
  changes: [
    {
      file: 'broker/produce-stage.ts',
      code: 'const fail = (error: PortalError) => produce.answer({ error: undecided(error) })',
      becomes: 'void undecided; const fail = (error: PortalError) => produce.answer({ error })',
    },
  ],
}
