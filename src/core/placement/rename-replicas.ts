import { isAlive, type MembersView } from './members-view.js'
import {
  includesReplica,
  isSameReplica,
  nameOf,
  type PlacedPartition,
  type Replica,
} from './placed-partition.js'

/**
 * A broker that came back with another database is a new replica in the place of the old one. The old one stays named beside it while it is in
 * sync: who is in sync is a replica (one that is not named removes what it has), and it leads again if it is put back.
 */
export function renameReplicas<P extends PlacedPartition>(partition: P, view: MembersView): P {
  const { replicas, target, inSync } = partition
  const renamed = rename(replicas, inSync, view)
  const renamedTarget = target && rename(target, inSync, view)
  if (renamed === replicas && renamedTarget === target) return partition
  return { ...partition, replicas: renamed, target: renamedTarget }
}

/** Whether its broker lives with another database. */
export function isReplaced(replica: Replica, view: MembersView): boolean {
  return view.has(replica.broker) && !isAlive(replica, view)
}

function rename(list: readonly Replica[], inSync: readonly Replica[], view: MembersView): readonly Replica[] {
  if (!list.some((replica) => isReplaced(replica, view))) return list
  const renamed: Replica[] = []
  for (const replica of list) {
    const current = isReplaced(replica, view) ? nameOf(view.get(replica.broker) ?? replica) : replica
    if (current === replica || includesReplica(inSync, replica)) renamed.push(replica)
    if (!includesReplica(renamed, current) && !includesReplica(list, current)) renamed.push(current)
  }
  const same =
    renamed.length === list.length && renamed.every((it, at) => isSameReplica(it, list[at] ?? null))
  return same ? list : renamed
}
