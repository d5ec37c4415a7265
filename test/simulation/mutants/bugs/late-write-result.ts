import type { Mutant } from '../mutant.js'

export const lateWriteResult: Mutant = {
  name: 'late-write-result',
  bug: 'That a lease has begun is noted when its write is answered, over what has become of the message by then: Apache Kafka share groups (#20286).',
  cast: 'cluster',
  shows: /^\[18, 19\] .* leased \d+ to/,
  changes: [
    {
      file: 'broker/lease-stage.ts',
      code: '    this.#lead.times.leased(queue, lease, grant.ranges)\n',
      becomes: '    group.onCommitted(() => this.#lead.times.leased(queue, lease, grant.ranges))\n',
    },
  ],
}
