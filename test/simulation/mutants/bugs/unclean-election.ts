import type { Mutant } from '../mutant.js'

export const uncleanElection: Mutant = {
  name: 'unclean-election',
  bug: 'Whoever lives is elected when nobody in sync does: the default of Apache Kafka before 0.11.',
  cast: 'cluster',
  shows: /^\[(4|8)\] /,
  changes: [
    {
      file: 'core/placement/elect-leader.ts',
      code: 'return includesReplica(inSync, replica) && canLead(replica, view)',
      becomes: 'return canLead(replica, view)',
    },
    {
      file: 'core/placement/elect-leader.ts',
      code: 'return { ...lead(partition, leader, view), inSync: livingInSync(partition, view, minInSync) }',
      becomes:
        'return { ...lead(partition, leader, view), inSync: [nameOf(leader), ...livingInSync(partition, view, minInSync).filter((one) => !isSameReplica(one, leader))] }',
    },
  ],
}
