import type { PartitionState } from '../core/partition-state.js'
import type { Queue } from '../core/queue.js'
import type { GroupDescription, GroupPartitionDescription, GroupSummary } from '../protocol/groups.js'
import type { Explanation } from '../protocol/service.js'
import type { PartitionDescription, TopicDescription } from '../protocol/topics.js'
import { MAX_TROUBLES } from './lease-stage.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'

export function describeTopic(topic: Topic, brokerId: string, url: string | undefined): TopicDescription {
  return {
    name: topic.name,
    id: topic.id,
    createdAt: new Date(topic.document.createdAt),
    config: topic.config,
    partitions: topic.partitions.map((partition) => describePartition(partition, brokerId, url)),
  }
}

function describePartition(
  partition: Partition,
  brokerId: string,
  url: string | undefined,
): PartitionDescription {
  const { directory } = partition.state
  return {
    partition: partition.partition,
    leader: { id: brokerId, url },
    epoch: partition.epoch,
    replicas: partition.placement?.replicas ?? [brokerId],
    inSync: partition.placement?.inSync ?? [brokerId],
    firstOffset: Math.min(directory.firstOffset ?? partition.committedOffset, partition.committedOffset),
    nextOffset: partition.committedOffset,
    messages: directory.messages,
    bytes: directory.bytes,
  }
}

export function summarizeGroup(topic: Topic, name: string): GroupSummary {
  let lag = 0
  for (const { state } of topic.partitions) lag += state.queues.get(name)?.unsettled(state.nextOffset) ?? 0
  return { name, topic: topic.name, paused: topic.groups.get(name)?.paused ?? false, lag }
}

export function describeGroup(topic: Topic, name: string): GroupDescription {
  const document = topic.groups.get(name)!
  return {
    name,
    topic: topic.name,
    createdAt: new Date(document.createdAt),
    generation: document.generation,
    paused: document.paused,
    settings: document.settings,
    partitions: topic.partitions.map((partition) => describeQueue(topic, partition, name)),
  }
}

function describeQueue(
  topic: Topic,
  { partition, state }: Partition,
  group: string,
): GroupPartitionDescription {
  const queue = state.queues.get(group)
  const members = new Set(queue?.held.keys())
  const dispatcher = topic.dispatchers.get(group)
  for (const waiter of dispatcher?.waiters ?? []) members.add(waiter.consumer)
  for (const hint of dispatcher?.hints ?? []) members.add(hint.consumer)
  return {
    partition,
    floor: queue?.floor ?? 0,
    lag: queue?.unsettled(state.nextOffset) ?? 0,
    inFlight: queue?.leased ?? 0,
    retrying: queue?.waiting ?? 0,
    dying: queue?.dying ?? 0,
    acked: queue?.counts.acked ?? 0,
    deadLettered: queue?.counts.deadLettered ?? 0,
    discarded: queue?.counts.discarded ?? 0,
    expired: queue?.counts.expired ?? 0,
    oldestUnsettled: queue && oldestUnsettled(queue, state),
    members: [...members].sort(),
  }
}

function oldestUnsettled(
  queue: Queue,
  state: PartitionState,
): { offset: number; appendedAt: Date } | undefined {
  if (queue.floor >= state.nextOffset) return undefined
  const place = state.directory.find(queue.floor)
  return place && { offset: queue.floor, appendedAt: new Date(place.appendTime) }
}

/** Why a message is not delivered to a group, in words (invariant 29). */
export function explain(
  topic: Topic,
  partition: Partition,
  group: string,
  offset: number,
  monotonic: number,
  now: number,
): Explanation {
  const { state } = partition
  const queue = state.queues.get(group)
  if (!queue) return { state: 'blocked', reason: `Group ${group} has not begun in this partition.` }
  if (offset >= state.nextOffset)
    return {
      state: 'missing',
      reason: `No message has offset ${offset} yet: the next one gets ${state.nextOffset}.`,
    }
  if (offset < queue.start)
    return { state: 'missing', reason: `Group ${group} began at offset ${queue.start}.` }
  const trouble = queue.troubles.get(offset)
  for (const lease of queue.leases.values()) {
    for (const term of lease.terms) {
      if (!term.offsets.has(offset)) continue
      const until = new Date(now + Math.max(0, term.deadline - monotonic))
      return { state: 'leased', reason: `Consumer ${lease.consumer} has it.`, until }
    }
  }
  if (queue.settled.has(offset)) return explainSettled(state, offset)
  if (trouble?.dying !== undefined) {
    return {
      state: 'dying',
      reason: `It failed ${trouble.failures} times (${trouble.reason}) and is on its way to the dead-letter topic.`,
    }
  }
  if (topic.groups.get(group)?.paused)
    return { state: 'blocked', reason: `Group ${group} is paused: admin.resumeGroup continues it.` }
  if (queue.troubles.size >= MAX_TROUBLES) {
    return {
      state: 'blocked',
      reason: `Group ${group} has ${queue.troubles.size} failed messages here, which is the limit: settle or seek.`,
    }
  }
  if (trouble?.due !== undefined && trouble.due > now) {
    return {
      state: 'waiting',
      reason: `It failed ${trouble.failures} times (${trouble.reason}) and waits for its next attempt.`,
      until: new Date(trouble.due),
    }
  }
  if (queue.suspects.has(offset)) {
    return {
      state: 'suspect',
      reason:
        'A consumer that held it with others went silent: it goes to the next consumer that holds nothing else.',
    }
  }
  const dispatcher = topic.dispatchers.get(group)
  const asking = (dispatcher?.waiters.size ?? 0) + (dispatcher?.hints.size ?? 0)
  return {
    state: 'available',
    reason: asking > 0 ? 'It is about to be delivered.' : `No consumer of group ${group} asks for messages.`,
  }
}

function explainSettled(state: PartitionState, offset: number): Explanation {
  const place = state.directory.find(offset)
  const stored = place !== undefined && place.baseOffset <= offset
  if (stored) return { state: 'settled', reason: 'The group has settled it.' }
  return { state: 'expired', reason: 'It is stored no more: settled and past its retention, or expired.' }
}
