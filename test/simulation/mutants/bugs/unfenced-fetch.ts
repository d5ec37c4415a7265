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
      file: 'broker/replication/fetch-loop.ts',
      code: 'if (!follower || follower.epoch !== epochs.get(follower) || !this.#followers.has(follower)) return',
      becomes: 'if (!follower) return',
    },
    {
      file: 'broker/replication/follower.ts',
      code: 'entry.epoch < last || entry.epoch > this.epoch',
      becomes: 'entry.epoch < last',
    },
  ],
}
