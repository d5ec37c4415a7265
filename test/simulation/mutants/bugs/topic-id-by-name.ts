import type { Mutant } from '../mutant.js'

export const topicIdByName: Mutant = {
  name: 'topic-id-by-name',
  bug: 'A topic is known by its name alone: one that is made again has the logs of the one that was deleted. Apache Kafka before KIP-516.',
  cast: 'cluster',
  shows: /^\[11\] /,
  changes: [
    {
      file: 'broker/topic-admin.ts',
      code: 'const id = randomId(this.#host.runtime.random, 8)',
      becomes: "const id = name.padEnd(16, 'x').slice(0, 16)",
    },
  ],
}
