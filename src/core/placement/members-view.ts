import { isSameReplica, type PlacedPartition, type Replica } from './placed-partition.js'

/** A living broker, as far as placement looks at it. */
export interface ClusterMember extends Replica {
  readonly generation: number
  readonly rack?: string | undefined
  /** It is about to leave: it leads nothing new and gets no replicas. */
  readonly leaving?: boolean | undefined
  /** It takes no messages: it leads only what nobody with room can, and gets replicas only where nobody with room is left. */
  readonly full?: boolean | undefined
  /** No replica goes to it any more. */
  readonly drained?: boolean | undefined
}

/** Who lives, by broker id. */
export type MembersView = ReadonlyMap<string, ClusterMember>

/** Whether the broker lives, with this database. */
export function isAlive(replica: Replica, view: MembersView): boolean {
  return isSameReplica(view.get(replica.broker) ?? null, replica)
}

/** Whether the leader lives, in the very life that its epoch was given to. */
export function isLed({ leader, incarnation }: PlacedPartition, view: MembersView): boolean {
  return leader !== null && isAlive(leader, view) && view.get(leader.broker)?.generation === incarnation
}

/** Whether it may be given what it does not lead yet. */
export function canLead(replica: Replica, view: MembersView): boolean {
  return isAlive(replica, view) && !view.get(replica.broker)?.leaving
}

/** Whether it would also take messages. */
export function canTakeMessages(replica: Replica, view: MembersView): boolean {
  return canLead(replica, view) && !view.get(replica.broker)?.full
}

/** Those that may be given replicas, in the order of their ids. */
export function hostsOf(view: MembersView): ClusterMember[] {
  const hosts = [...view.values()].filter(({ leaving, drained }) => !leaving && !drained)
  return hosts.sort((a, b) => (a.broker < b.broker ? -1 : 1))
}

/** Those of them whose disks have room for more; all, if none has. */
export function withRoom(hosts: readonly ClusterMember[]): readonly ClusterMember[] {
  const roomy = hosts.filter(({ full }) => !full)
  return roomy.length > 0 ? roomy : hosts
}

/** What fails together: a broker without a rack is a rack of its own. */
export function rackOf({ broker, rack }: Pick<ClusterMember, 'broker' | 'rack'>): string {
  return rack === undefined ? `broker ${broker}` : `rack ${rack}`
}
