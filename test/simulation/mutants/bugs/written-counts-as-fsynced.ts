import type { Mutant } from '../mutant.js'

export const writtenCountsAsFsynced: Mutant = {
  name: 'written-counts-as-fsynced',
  bug: 'A follower says that it has what it has only written: with the power it loses what was acknowledged. Apache Kafka, which does not fsync what it replicates.',
  cast: 'cluster',
  shows: /^\[3\] /,
  changes: [
    {
      file: 'broker/replication/follower.ts',
      code: `      for (const write of writes) group.add(write, 0)
      group.durable = true
`,
      becomes: '      for (const write of writes) group.add(write, 0)\n',
    },
  ],
}
