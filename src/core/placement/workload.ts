import { type ClusterMember, rackOf } from './members-view.js'
import type { PlacedPartition } from './placed-partition.js'

/** How much each broker has to do, counted in replicas and in partitions that it leads by preference. */
export class Workload {
  readonly #replicas = new Map<string, number>()
  /** By broker: how many partitions name it first. */
  readonly leads = new Map<string, number>()

  /** What the documents say that brokers have, or will have once their moves are done. */
  static of(partitions: Iterable<PlacedPartition>): Workload {
    const load = new Workload()
    for (const { replicas, target } of partitions) {
      for (const { broker } of target ?? replicas) load.addReplica(broker)
      const first = (target ?? replicas)[0]
      if (first) load.addLead(first.broker)
    }
    return load
  }

  replicas(broker: string): number {
    return this.#replicas.get(broker) ?? 0
  }

  addReplica(broker: string, count = 1): void {
    this.#replicas.set(broker, this.replicas(broker) + count)
  }

  addLead(broker: string, count = 1): void {
    this.leads.set(broker, (this.leads.get(broker) ?? 0) + count)
  }

  /**
   * Of `hosts`, in their order where all else is equal, the best for one more replica beside `others`: in a rack that has the
   * fewest of them, and with the least to do. Undefined: all have one.
   */
  bestHost<H extends ClusterMember>(
    hosts: readonly H[],
    others: readonly Pick<ClusterMember, 'broker' | 'rack'>[],
  ): H | undefined {
    let best: { host: H; inRack: number; replicas: number; leads: number } | undefined
    for (const host of hosts) {
      if (others.some(({ broker }) => broker === host.broker)) continue
      const inRack = others.filter((other) => rackOf(other) === rackOf(host)).length
      const replicas = this.replicas(host.broker)
      const leads = this.leads.get(host.broker) ?? 0
      const rank = best && (inRack - best.inRack || replicas - best.replicas || leads - best.leads)
      if (rank === undefined || rank < 0) best = { host, inRack, replicas, leads }
    }
    return best?.host
  }
}
