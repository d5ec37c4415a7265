import { type ClusterMember, hostsOf, type MembersView, rackOf, withRoom } from './members-view.js'
import { nameOf, type PlacedPartition, type Replica } from './placed-partition.js'
import { spreadLeaders } from './spread-leaders.js'
import { Workload } from './workload.js'

/** What the replicas of a partition shall be. */
export interface Move {
  readonly topicId: string
  readonly partition: number
  readonly target: readonly Replica[]
}

/** A partition on the board: the brokers that are to hold it, the first to lead. */
export interface Slot {
  readonly placed: PlacedPartition
  readonly brokers: string[]
}

/** Where moves are tried out before any is begun. Partitions that are moving already count as moved, and stay. */
export class MoveBoard {
  /** Those that may be moved: not while a broker is named in one with two databases. */
  readonly slots: readonly Slot[]
  readonly #view: MembersView
  readonly #hosts: readonly ClusterMember[]
  /** Those of the hosts that get more: what a disk has not room for is not copied to it. */
  readonly #takers: readonly ClusterMember[]
  readonly #load: Workload
  readonly #byBroker = new Map<string, Set<Slot>>()

  constructor(partitions: Iterable<PlacedPartition>, view: MembersView) {
    const all = [...partitions]
    this.#view = view
    this.#hosts = hostsOf(view)
    this.#takers = withRoom(this.#hosts)
    this.#load = Workload.of(all)
    this.slots = all
      .filter(({ target, replicas }) => target === undefined && countBrokers(replicas) === replicas.length)
      .map((placed) => ({ placed, brokers: placed.replicas.map(({ broker }) => broker) }))
    for (const slot of this.slots) for (const broker of slot.brokers) this.#slotsOf(broker).add(slot)
  }

  /** Gives the place of `from` to the best other broker. Whether there is one. */
  replace(slot: Slot, from: string): boolean {
    const rest = slot.brokers.filter((broker) => broker !== from)
    // `from` is left out of the choice, not of the racks that are free.
    const takers = this.#takers.filter(({ broker }) => broker !== from)
    const to = this.#load.bestHost(takers, this.#withRacks(rest))
    if (to === undefined) return false
    this.#swap(slot, from, to.broker)
    return true
  }

  /** Adds the best broker that has no replica of it yet. */
  extend(slot: Slot): boolean {
    const host = this.#load.bestHost(this.#takers, this.#withRacks(slot.brokers))
    if (host === undefined) return false
    slot.brokers.push(host.broker)
    this.#slotsOf(host.broker).add(slot)
    this.#load.addReplica(host.broker)
    return true
  }

  /** Moves replicas that share a rack to racks that have none, as far as there are such. */
  separateRacks(): void {
    for (const slot of this.slots) {
      for (const broker of [...slot.brokers].reverse()) {
        const others = slot.brokers.filter((other) => other !== broker)
        const taken = new Set(others.map((other) => this.#rack(other)))
        const free = this.#takers.some((host) => !taken.has(rackOf(host)))
        if (taken.has(this.#rack(broker)) && free) this.replace(slot, broker)
      }
    }
  }

  /** Moves one replica from a busy broker to one that has at least two fewer, and room for it. Whether one could. */
  evenOut(): boolean {
    const count = ({ broker }: ClusterMember) => this.#load.replicas(broker)
    const ascending = [...this.#takers].sort((a, b) => count(a) - count(b))
    const descending = [...this.#hosts].sort((a, b) => count(a) - count(b)).reverse()
    for (const from of descending) {
      for (const to of ascending) {
        if (count(from) - count(to) < 2) break
        const slot = this.#movable(from, to)
        if (slot === undefined) continue
        this.#swap(slot, from.broker, to.broker)
        return true
      }
    }
    return false
  }

  /** Spreads the preferred leaders over the brokers that take replicas. */
  spreadLeaders(): void {
    const leads = new Map(this.#hosts.map(({ broker }) => [broker, this.#load.leads.get(broker) ?? 0]))
    spreadLeaders(
      this.slots.map(({ brokers }) => brokers),
      leads,
    )
  }

  /** What differs from how it was, in the order of the partitions. */
  moves(): Move[] {
    return this.slots.flatMap(({ placed, brokers }) => {
      const { topicId, partition, replicas } = placed
      if (brokers.every((broker, at) => replicas[at]?.broker === broker)) return []
      // Those that stay keep the name that the document gives them.
      const target = brokers.map((broker) => {
        return nameOf(replicas.find((replica) => replica.broker === broker) ?? this.#member(broker))
      })
      return [{ topicId, partition, target }]
    })
  }

  /** A partition that can go from one to the other without bringing two replicas into one rack; rather one that `from` does not lead. */
  #movable(from: ClusterMember, to: ClusterMember): Slot | undefined {
    let led: Slot | undefined
    for (const slot of this.#slotsOf(from.broker)) {
      if (slot.brokers.includes(to.broker)) continue
      const others = slot.brokers.filter((broker) => broker !== from.broker)
      const racks = others.map((broker) => this.#rack(broker))
      if (racks.includes(rackOf(to)) && !racks.includes(rackOf(from))) continue
      if (slot.brokers[0] !== from.broker) return slot
      led ??= slot
    }
    return led
  }

  #swap(slot: Slot, from: string, to: string): void {
    const at = slot.brokers.indexOf(from)
    slot.brokers[at] = to
    this.#slotsOf(from).delete(slot)
    this.#slotsOf(to).add(slot)
    this.#load.addReplica(from, -1)
    this.#load.addReplica(to)
    if (at > 0) return
    this.#load.addLead(from, -1)
    this.#load.addLead(to)
  }

  #slotsOf(broker: string): Set<Slot> {
    const slots = this.#byBroker.get(broker) ?? new Set()
    if (slots.size === 0) this.#byBroker.set(broker, slots)
    return slots
  }

  #withRacks(brokers: readonly string[]): Pick<ClusterMember, 'broker' | 'rack'>[] {
    return brokers.map((broker) => ({ broker, rack: this.#view.get(broker)?.rack }))
  }

  #rack(broker: string): string {
    return rackOf(this.#view.get(broker) ?? { broker })
  }

  #member(broker: string): ClusterMember {
    return this.#hosts.find((host) => host.broker === broker) as ClusterMember
  }
}

export function countBrokers(replicas: readonly Replica[]): number {
  return new Set(replicas.map(({ broker }) => broker)).size
}
