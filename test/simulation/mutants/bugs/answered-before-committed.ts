import type { Mutant } from '../mutant.js'

export const answeredBeforeCommitted: Mutant = {
  name: 'answered-before-committed',
  bug: 'A settlement is answered on what was committed before it, not on its own entry: an ack resolves, and after a failover the message comes again. Apache Pulsar (#7554).',
  cast: 'cluster',
  shows: /^\[17\] /,
  changes: [
    {
      file: 'broker/settle-stage.ts',
      code: `    this.#appendSettles(group, builder)
    for (const answer of answers) answer()`,
      becomes: `    for (const answer of answers) answer()
    this.#appendSettles(group, builder)`,
    },
  ],
}
