import type { Mutant } from '../mutant.js'

export const failoverCountsAsFailure: Mutant = {
  name: 'failover-counts-as-failure',
  bug: 'A new leader ends the leases of its predecessor, each as a failure: messages die of failovers alone.',
  cast: 'cluster',
  shows: /^\[20\] .* before its time/,
  changes: [
    {
      file: 'broker/settle-stage.ts',
      code: '    .filter((lease) => lease.local)\n',
      becomes: '',
    },
  ],
}
