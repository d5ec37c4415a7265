import type { Mutant } from '../mutant.js'

export const dedupeLostOnFailover: Mutant = {
  name: 'dedupe-lost-on-failover',
  bug: "What is remembered of producers and ids is the leader's own, not the log's: a new leader stores a retry twice.",
  cast: 'cluster',
  shows: /^\[14\] /,
  changes: [
    {
      file: 'broker/replication/applied-log.ts',
      code: '    return { ...this.#recovered, strayPages: [], logStart: this.#snapshotter.logStart }',
      becomes: `    const { state } = this.#recovered
    const forgetful = { producers: new (state.producers.constructor as never)(), dedupe: new (state.dedupe.constructor as never)() }
    Object.assign(state, forgetful)
    return { ...this.#recovered, strayPages: [], logStart: this.#snapshotter.logStart }`,
    },
  ],
}
