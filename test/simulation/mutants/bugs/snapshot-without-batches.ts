import type { Mutant } from '../mutant.js'

export const snapshotWithoutBatches: Mutant = {
  name: 'snapshot-without-batches',
  bug: 'A replica that installs a snapshot does not copy the messages that it speaks of.',
  cast: 'cluster',
  shows: /^\[11\] |CORRUPT/,
  changes: [
    {
      file: 'broker/replication/install.ts',
      code: '  await copyBatches(host, log, source, index)\n',
      becomes: '',
    },
  ],
}
