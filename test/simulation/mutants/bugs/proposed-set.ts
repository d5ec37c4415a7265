import type { Mutant } from '../mutant.js'

export const proposedSet: Mutant = {
  name: 'proposed-set',
  bug: 'An in-sync set counts as soon as it is proposed, and the one in force no more: who is taken out may be elected still, without what was acknowledged. What Apache Kafka guards against since KIP-497.',
  cast: 'cluster',
  shows: /^\[(3|4|8)\] /,
  changes: [
    {
      file: 'broker/replication/in-sync-set.ts',
      code: '    return [...inSync, ...also]\n',
      becomes: '    void also\n    return [...(this.#proposed ?? inSync)]\n',
    },
  ],
}
