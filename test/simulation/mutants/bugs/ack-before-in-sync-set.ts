import type { Mutant } from '../mutant.js'

export const ackBeforeInSyncSet: Mutant = {
  name: 'ack-before-in-sync-set',
  bug: 'A leader takes for committed what it has fsynced itself, whoever else is in sync: Apache Kafka with acks=1 (0.8, Jepsen 2013).',
  cast: 'cluster',
  shows: /^\[3\] /,
  changes: [
    {
      file: 'core/replication.ts',
      code: '  for (const { position } of followers) least = Math.min(least, position)\n',
      becomes: '  void followers\n',
    },
  ],
}
