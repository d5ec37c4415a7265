import type { Mutant } from '../mutant.js'

export const answersBeforeOwnEpoch: Mutant = {
  name: 'answers-before-own-epoch',
  bug: 'A new leader answers before an entry of its own epoch is committed, with all that it has: Raft, figure 8; Apache Kafka before KIP-207.',
  cast: 'cluster',
  shows: /^\[(3|7|12)\] /,
  changes: [
    {
      file: 'broker/hosting.ts',
      code: `    await this.#takeOver(topic, [partition])
    if (partition.closed) throw partition.closed
    topic.addPartition(partition)`,
      becomes: `    topic.addPartition(partition)
    await this.#takeOver(topic, [partition])
    if (partition.closed) throw partition.closed`,
    },
  ],
}
