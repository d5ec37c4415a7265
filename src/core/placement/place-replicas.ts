import { PortalError } from '../errors.js'
import { murmur2 } from '../murmur2.js'
import { type ClusterMember, canTakeMessages, hostsOf, type MembersView, withRoom } from './members-view.js'
import { nameOf, type PlacedPartition, type Replica } from './placed-partition.js'
import { spreadLeaders } from './spread-leaders.js'
import type { Workload } from './workload.js'

export interface PlacementRequest {
  readonly topicId: string
  /** The first new partition: 0 for a new topic. */
  readonly from: number
  /** How many new partitions. */
  readonly count: number
  /** Copies of each: as many as there are brokers for, if those are fewer; the others follow as brokers join. */
  readonly replicas: number
  /** Copies of each, at least. */
  readonly minInSync: number
  readonly view: MembersView
  /** What brokers have to do already; the new partitions are added. */
  readonly load: Workload
}

/**
 * Places new partitions on the brokers that live and are neither drained nor leaving: over racks first, then where there is the least to do;
 * leaders are spread too. A broker whose disk is nearly full is the last to be chosen, whatever its rack, and does not lead where another can. The same
 * request gives the same answer. All replicas are in sync: there is nothing yet that one could lack.
 *
 * NOT_ENOUGH_REPLICAS if there are fewer brokers than `minInSync`: nothing could be acknowledged as it was asked for.
 */
export function placeReplicas(request: PlacementRequest): PlacedPartition[] {
  const { topicId, from, count, minInSync, view, load } = request
  const hosts = inOrderOf(topicId, hostsOf(view))
  if (hosts.length < minInSync) throw notEnough(hosts, minInSync)
  const replicas = Math.min(request.replicas, hosts.length)
  const sets = Array.from({ length: count }, () => chooseHosts(hosts, replicas, load))
  for (const { broker } of hosts) load.addLead(broker, 0)
  const leads = new Map(hosts.map(({ broker }) => [broker, load.leads.get(broker) ?? 0]))
  spreadLeaders(sets, leads)
  for (const [broker, total] of leads) load.leads.set(broker, total)
  return sets.map((set, at) => {
    const placed = set.map((broker): Replica => nameOf(view.get(broker) as ClusterMember))
    const leader = placed.find((replica) => canTakeMessages(replica, view)) ?? (placed[0] as Replica)
    const incarnation = view.get(leader.broker)?.generation
    return { topicId, partition: from + at, epoch: 0, leader, incarnation, replicas: placed, inSync: placed }
  })
}

/** The brokers of one partition, as ids; the one that leads least comes first. */
function chooseHosts(hosts: readonly ClusterMember[], replicas: number, load: Workload): string[] {
  const chosen: ClusterMember[] = []
  const roomy = withRoom(hosts)
  while (chosen.length < replicas) {
    const host = load.bestHost(roomy, chosen) ?? load.bestHost(hosts, chosen)
    if (host === undefined) break
    chosen.push(host)
    load.addReplica(host.broker)
  }
  const set = chosen.map(({ broker }) => broker)
  const leads = (broker: string) => load.leads.get(broker) ?? 0
  const leader = set.reduce((least, broker) => (leads(broker) < leads(least) ? broker : least))
  load.addLead(leader)
  return [leader, ...set.filter((broker) => broker !== leader)]
}

/** Another order for each topic: brokers that place topics at the same time do not all begin with the same one. */
function inOrderOf(topicId: string, hosts: readonly ClusterMember[]): ClusterMember[] {
  const hash = ({ broker }: ClusterMember) => murmur2(new TextEncoder().encode(`${topicId} ${broker}`))
  const hashed = hosts.map((host) => ({ host, hash: hash(host) }))
  // The hosts come in the order of their ids, and sorting keeps that among equals.
  return hashed.sort((a, b) => a.hash - b.hash).map(({ host }) => host)
}

function notEnough(hosts: readonly ClusterMember[], minInSync: number): PortalError {
  const names = hosts.map(({ broker }) => broker).join(', ') || 'none'
  return new PortalError(
    'NOT_ENOUGH_REPLICAS',
    `A message must be on ${minInSync} brokers before it is acknowledged, but ${hosts.length} live that take new replicas (${names}): start more, or ask for a lower minInSync.`,
  )
}
