import type { Mutant } from '../mutant.js'

export const ackBeforeFsync: Mutant = {
  name: 'ack-before-fsync',
  bug: 'What is written is taken for safe, and acknowledged, before it is fsynced: the default of Apache Kafka, and of Redis with appendfsync everysec.',
  cast: 'cluster',
  shows: /^\[3\] /,
  changes: [
    {
      file: 'broker/committer.ts',
      code: 'this.#storage.commit(group.writes, { durable: group.durable })',
      becomes: 'this.#storage.commit(group.writes, { durable: false })',
    },
  ],
}
