import type { PartitionPlacement } from '../protocol/cluster.js'
import type { GroupDescription, GroupSummary } from '../protocol/groups.js'
import type { BrokerService, CallOptions, GroupName } from '../protocol/service.js'
import type { PartitionDescription, TopicDescription } from '../protocol/topics.js'
import { sleepUntil } from '../runtime/wait.js'
import { PATIENCE } from './ask.js'
import { type Leader, type Leaders, passedOn } from './leaders.js'
import type { ClusterRoutes } from './routes.js'

/**
 * Descriptions of what several brokers lead, put together. A broker that is asked with `forwarded` describes the partitions that it leads and no
 * others; of those whose leader does not answer in time, the cluster's documents say what they say.
 */
export class Gathering {
  readonly #self: Leader
  readonly #leaders: Leaders
  readonly #routes: ClusterRoutes

  constructor(self: Leader, leaders: Leaders, routes: ClusterRoutes) {
    this.#self = self
    this.#leaders = leaders
    this.#routes = routes
  }

  async describeTopic(
    request: { readonly name: string },
    call: CallOptions | undefined,
  ): Promise<TopicDescription> {
    const own = await this.#self.service.describeTopic(request, passedOn(call))
    const others = await this.#ask(own.id, call, (service, options) =>
      service.describeTopic(request, options),
    )
    const found = new Map<number, PartitionDescription>()
    for (const { id, partitions } of [own, ...others]) {
      if (id !== own.id) continue
      for (const partition of partitions) {
        const known = found.get(partition.partition)
        // One that has lost it may not know that yet.
        if (known === undefined || known.epoch < partition.epoch) found.set(partition.partition, partition)
      }
    }
    const partitions = Array.from(
      { length: own.config.partitions },
      (_, partition) => this.#placed(own.id, found.get(partition)) ?? this.#unheard(own.id, partition),
    )
    return { ...own, partitions }
  }

  async describeGroup(request: GroupName, call: CallOptions | undefined): Promise<GroupDescription> {
    const own = await this.#self.service.describeGroup(request, passedOn(call))
    const topicId = this.#routes.findByName(request.topic)?.topicId
    const others = await this.#ask(topicId, call, (service, options) =>
      service.describeGroup(request, options),
    )
    const found = new Map(
      [...others, own]
        .filter(({ generation }) => generation === own.generation)
        .flatMap(({ partitions }) => partitions.map((one) => [one.partition, one] as const)),
    )
    return { ...own, partitions: [...found.values()].sort((a, b) => a.partition - b.partition) }
  }

  async listGroups(
    request: { readonly topic: string },
    call: CallOptions | undefined,
  ): Promise<readonly GroupSummary[]> {
    const own = await this.#self.service.listGroups(request, passedOn(call))
    const topicId = this.#routes.findByName(request.topic)?.topicId
    const others = await this.#ask(topicId, call, (service, options) => service.listGroups(request, options))
    const lagOf = (name: string) =>
      [own, ...others].reduce((sum, list) => sum + (list.find((group) => group.name === name)?.lag ?? 0), 0)
    return own.map((group) => ({ ...group, lag: lagOf(group.name) }))
  }

  /** Where partitions are, by the cluster's documents; how far their replicas are, by their leaders. */
  async describePlacement(
    request: { readonly topic?: string | undefined },
    call: CallOptions | undefined,
  ): Promise<readonly PartitionPlacement[]> {
    const own = await this.#self.service.describePlacement(request, { signal: call?.signal })
    const wanted = new Set(own.map(({ leader }) => leader))
    const leaders = this.#routes.brokers().flatMap((address) => {
      return wanted.has(address.id) ? (this.#leaders.broker(address, false) ?? []) : []
    })
    const others = await this.#askAll(leaders, undefined, call, (service, options) =>
      service.describePlacement(request, options),
    )
    const led = new Map(others.flat().map((one) => [`${one.topic}/${one.partition}`, one]))
    return own.map((known) => {
      const heard = led.get(`${known.topic}/${known.partition}`)
      return heard && heard.epoch >= known.epoch ? heard : known
    })
  }

  /** The answers of the topic's other leaders, of those that answer in time. */
  async #ask<T>(
    topicId: string | undefined,
    call: CallOptions | undefined,
    ask: (service: BrokerService, call: CallOptions) => Promise<T>,
  ): Promise<T[]> {
    const leaders = topicId === undefined ? [] : this.#leaders.ofTopic(topicId).leaders
    return this.#askAll(leaders, topicId, call, ask)
  }

  async #askAll<T>(
    leaders: readonly Leader[],
    topicId: string | undefined,
    call: CallOptions | undefined,
    ask: (service: BrokerService, call: CallOptions) => Promise<T>,
  ): Promise<T[]> {
    const { timers } = this.#leaders.runtime
    const ends = { timeout: PATIENCE, signal: call?.signal }
    const answers = await Promise.all(
      leaders
        .filter((leader) => leader !== this.#self)
        .map((leader) =>
          sleepUntil<T>(timers, 'Asking a leader', ends, (resolve) => {
            ask(leader.service, passedOn(call)).then(resolve, (error: unknown) => {
              this.#leaders.heard(leader, topicId, [], error)
              resolve(undefined)
            })
            return () => {}
          }),
        ),
    )
    return answers.filter((answer) => answer !== undefined)
  }

  /** A leader describes itself; where the replicas are, and which are in sync, the documents say. */
  #placed(topicId: string, partition: PartitionDescription | undefined): PartitionDescription | undefined {
    const placement = partition && this.#routes.placement(topicId, partition.partition)
    if (!placement || placement.epoch !== partition.epoch) return partition
    return { ...partition, replicas: placement.replicas, inSync: placement.inSync }
  }

  #unheard(topicId: string, partition: number): PartitionDescription {
    const placement = this.#routes.placement(topicId, partition)
    return {
      partition,
      leader: undefined,
      epoch: placement?.epoch ?? 0,
      replicas: placement?.replicas ?? [],
      inSync: placement?.inSync ?? [],
      firstOffset: 0,
      nextOffset: 0,
      messages: 0,
      bytes: 0,
    }
  }
}
