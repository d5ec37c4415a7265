import type { Mutant } from '../mutant.js'

export const leaseWithoutTimer: Mutant = {
  name: 'lease-without-timer',
  bug: 'A new leader has the leases of its predecessor and no timers for them: Apache Kafka share groups (#20286), RabbitMQ quorum queues (#15473).',
  cast: 'cluster',
  shows: /^\[29\] .*: all replicas are equal/,
  changes: [
    {
      file: 'broker/queue-times.ts',
      code: '          if (term.deadline === Number.POSITIVE_INFINITY) term.deadline = now + term.duration\n',
      becomes: '          void now\n',
    },
  ],
}
