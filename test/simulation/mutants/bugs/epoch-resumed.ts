import type { Mutant } from '../mutant.js'

export const epochResumed: Mutant = {
  name: 'epoch-resumed',
  bug: 'A leader that was restarted goes on in the epoch in which it led: what it lost is written anew under the same index and epoch.',
  cast: 'cluster',
  shows: /^\[(1|3|4|6|1, 5)\] /,
  changes: [
    {
      file: 'core/placement/members-view.ts',
      code: ' && view.get(leader.broker)?.generation === incarnation',
      becomes: ' && incarnation !== undefined',
    },
    {
      file: 'broker/replication/replica.ts',
      code: 'isSameReplica(document.leader, self) && (document.incarnation ?? self.generation) === self.generation',
      becomes: 'isSameReplica(document.leader, self)',
    },
  ],
}
