import type { Mutant } from '../mutant.js'

export const fastDoubleFailover: Mutant = {
  name: 'fast-double-failover',
  bug: 'Where logs part is told by an end without its epoch: after two failovers in a row a follower keeps entries of an epoch that its leader never had. Apache Kafka before KIP-279.',
  cast: 'cluster',
  shows: /^\[(3|4|5|1, 5)\] |^CORRUPT on sound disks|^\[29\] .* not all replicas are in sync/,
  changes: [
    {
      file: 'core/epochs.ts',
      code: 'return own.epoch === told.epoch ? Math.min(own.end, told.end) : own.epoch < 0 ? 0 : own.end',
      becomes: 'return own.epoch < 0 ? 0 : Math.min(next, told.end)',
    },
    {
      file: 'core/epochs.ts',
      code: `  return (
    found.epoch === position.lastEpoch &&
    position.next <= found.end &&
    position.next > startOf(epochs, found.epoch)
  )`,
      becomes: '  return position.next <= found.end',
    },
    {
      file: 'broker/replication/follower.ts',
      code: 'entry.epoch < last || entry.epoch > this.epoch',
      becomes: 'entry.epoch > this.epoch',
    },
  ],
}
