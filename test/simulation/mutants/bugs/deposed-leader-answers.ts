import type { Mutant } from '../mutant.js'

export const deposedLeaderAnswers: Mutant = {
  name: 'deposed-leader-answers',
  bug: 'A leader that is deposed answers what waits as if it were committed: Elasticsearch 1.x, MongoDB before protocol version 1 (Jepsen).',
  cast: 'cluster',
  shows: /^\[(3|12|17)\] /,
  changes: [
    {
      file: 'broker/replication/high-watermark.ts',
      code: '    for (const { failed } of this.#pending.splice(0)) failed?.(error)\n',
      becomes: '    for (const { callback } of this.#pending.splice(0)) callback()\n',
    },
  ],
}
