import type { Mutant } from '../mutant.js'

export const unfinishedInstall: Mutant = {
  name: 'unfinished-install',
  bug: 'Nothing on the disk says that a snapshot is being installed: after a crash half a log passes for a whole one.',
  cast: 'cluster',
  shows: /^\[(3|8|9)\] |has no entry \d+, and its snapshot/,
  changes: [
    {
      file: 'broker/replication/install.ts',
      code: "const clear: Write[] = [distrustLog(log), { type: 'delete-log', log }]",
      becomes: "const clear: Write[] = [{ type: 'delete-log', log }]",
    },
  ],
}
