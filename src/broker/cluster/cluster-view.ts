import type { BrokerDocument, MemberDocument, ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { BrokerDescription, LogProgress, PartitionPlacement } from '../../protocol/cluster.js'
import type { Hosting } from '../hosting.js'
import type { Leading } from '../replication/leading.js'
import type { ReplicaSet } from '../replication/replica-set.js'
import type { Topic } from '../topic.js'
import type { Catalog } from './catalog.js'

export interface ClusterViewParts {
  readonly catalog: Catalog
  readonly hosting: Hosting
  /** Who lives, by broker id. */
  members(): ReadonlyMap<string, MemberDocument>
  /** Every broker that ever was and is not forgotten. */
  registered(): readonly BrokerDocument[]
  replicas(): ReplicaSet | undefined
}

interface Placed {
  readonly topic: Topic
  readonly document: VersionedPartition
}

/** The cluster as this broker has been told of it, for administrators. */
export class ClusterView {
  readonly #parts: ClusterViewParts

  constructor(parts: ClusterViewParts) {
    this.#parts = parts
  }

  /** In the order of their ids. */
  brokers(): BrokerDescription[] {
    const members = this.#parts.members()
    const registered = new Map(this.#parts.registered().map((document) => [document.broker, document]))
    const leaders = new Map<string, number>()
    const replicas = new Map<string, number>()
    const count = (counts: Map<string, number>, broker: string) =>
      counts.set(broker, (counts.get(broker) ?? 0) + 1)
    for (const { document } of this.#placed()) {
      if (document.leader && this.isLed(document)) count(leaders, document.leader.broker)
      for (const broker of new Set(everyReplica(document))) count(replicas, broker)
    }
    return [...new Set([...registered.keys(), ...members.keys()])].sort().map((id) => {
      const member = members.get(id)
      const known = registered.get(id)
      return {
        id,
        url: member?.url,
        alive: member !== undefined,
        leaving: member?.leaving ?? false,
        full: member?.full ?? false,
        stalled: member?.stalled ?? false,
        drained: known?.drained ?? false,
        rack: member?.rack,
        generation: member?.generation ?? known?.generation,
        leaders: leaders.get(id) ?? 0,
        replicas: replicas.get(id) ?? 0,
      }
    })
  }

  /** In the order of topics and partitions. `ledOnly`: of those alone that this broker leads. */
  partitions(topic: string | undefined, ledOnly: boolean): PartitionPlacement[] {
    const found: PartitionPlacement[] = []
    for (const { topic: one, document } of this.#placed(topic)) {
      const leading = this.#leading(document)
      if (ledOnly && !leading) continue
      const { partition, epoch, leader, replicas, inSync, target } = leading?.document ?? document
      found.push({
        topic: one.name,
        partition,
        leader: this.isLed(document) ? leader?.broker : undefined,
        epoch,
        replicas: replicas.map(({ broker }) => broker),
        inSync: inSync.map(({ broker }) => broker),
        target: target?.map(({ broker }) => broker),
        minInSync: one.document.config.minInSync,
        log: leading && progressOf(leading),
      })
    }
    return found.sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )
  }

  /** How many partitions of the cluster nobody leads. */
  leaderless(): number {
    let count = 0
    for (const { document } of this.#placed()) if (!this.isLed(document)) count++
    return count
  }

  /** Whether its leader lives, in the very life that its epoch was given to. */
  isLed({ leader, incarnation }: VersionedPartition): boolean {
    const member = leader && this.#parts.members().get(leader.broker)
    return !!member && isSameReplica(member, leader) && member.generation === incarnation
  }

  #leading({ topicId, partition }: VersionedPartition): Leading | undefined {
    return this.#parts.replicas()?.find(topicId, partition)?.led?.leading
  }

  *#placed(name?: string): Iterable<Placed> {
    const { hosting, catalog } = this.#parts
    for (const topic of hosting.topics) {
      if (name !== undefined && topic.name !== name) continue
      for (let at = 0; at < topic.document.partitions; at++) {
        const document = catalog.partition(topic.id, at)
        if (document) yield { topic, document }
      }
    }
  }
}

function everyReplica({ replicas, target = [] }: VersionedPartition): string[] {
  return [...replicas, ...target].map(({ broker }: ReplicaName) => broker)
}

function progressOf(leading: Leading): LogProgress {
  const { end } = leading
  return {
    end,
    highWatermark: leading.committedIndex,
    followers: leading.positions().map(({ broker, position }) => ({
      id: broker,
      lag: position < 0 ? undefined : Math.max(0, end - position),
    })),
  }
}
