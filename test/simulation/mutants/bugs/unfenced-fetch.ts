import type { Mutant } from '../mutant.js'

export const unfencedFetch: Mutant = {
  name: 'unfenced-fetch',
  bug: 'A leader answers fetches of every epoch, and a follower takes what a leader of any epoch answers: Apache Kafka before KIP-320.',
  cast: 'cluster',
  shows: /^\[[1-8]\] |^\[1, 5\] /,
  changes: [
    {
      file: 'broker/replication/fetch-server.ts',
      code: 'if (led?.epoch === epoch) return led',
      becomes: 'if (led) return led',
    },
    {
      file: 'broker/replication/follower-session.ts',
      code: 'return follower && asked?.epoch === follower.epoch ? { follower, asked } : undefined',
      becomes: 'return follower && asked ? { follower, asked } : undefined',
    },
    {
      file: 'broker/replication/follower.ts',
      code: 'return asked.epoch === epoch && asked.next === next',
      becomes: 'void epoch; return asked.next === next',
    },
    {
      file: 'broker/replication/follower.ts',
      code: 'entry.epoch < last || entry.epoch > this.epoch',
      becomes: 'entry.epoch < last',
    },
  ],
}
