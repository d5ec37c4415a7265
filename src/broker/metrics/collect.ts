import type { MetricFamily, MetricSample } from '../../protocol/metrics.js'
import type { Storage } from '../../storage/storage.js'
import type { Hosting } from '../hosting.js'
import type { Topic } from '../topic.js'
import type { CommitStatistics } from './commit-statistics.js'
import { GroupCounters, type TopicCounters } from './counters.js'

/** Topics, and groups of them, that have samples of their own; what is beyond is counted together. */
const MOST = 1_000
/** No topic or group can have this name. */
const OTHERS = '(others)'

/** Everything that a broker counts, as it is now. */
export async function collectMetrics(
  hosting: Hosting,
  commits: CommitStatistics,
  storage: Storage,
): Promise<readonly MetricFamily[]> {
  const { usedBytes, freeBytes, reusableBytes } = await storage.space()
  const topics = hosting.topics
  return [
    ...topicFamilies(topics.map(readTopic)),
    ...groupFamilies(topics.flatMap(readGroups)),
    {
      name: 'portal_mq_commit_duration_seconds',
      help: 'Time from handing a group of writes to the storage until it has them on the disk.',
      type: 'histogram',
      samples: commits.seconds.samples(),
    },
    counter('portal_mq_commit_entries_total', 'Log entries committed.', commits.entries),
    counter('portal_mq_commit_bytes_total', 'Bytes of log entries committed.', commits.bytes),
    gauge('portal_mq_topics', 'Topics hosted.', topics.length),
    gauge(
      'portal_mq_partitions',
      'Partitions hosted.',
      topics.reduce((sum, topic) => sum + topic.partitions.length, 0),
    ),
    gauge('portal_mq_disk_used_bytes', 'Disk space that the broker takes.', usedBytes),
    gauge(
      'portal_mq_disk_reusable_bytes',
      'Part of it that is free inside: filled first, and given back while the disk is short.',
      reusableBytes,
    ),
    ...(Number.isFinite(freeBytes)
      ? [gauge('portal_mq_disk_free_bytes', 'Disk space that is left.', freeBytes)]
      : []),
  ]
}

interface TopicReading {
  readonly labels: { readonly topic: string }
  readonly counters: TopicCounters
  readonly stored: number
  readonly storedBytes: number
}

function readTopic({ name, counters, partitions }: Topic): TopicReading {
  let stored = 0
  let storedBytes = 0
  for (const { state } of partitions) {
    stored += state.directory.messages
    storedBytes += state.directory.bytes
  }
  return { labels: { topic: name }, counters, stored, storedBytes }
}

function topicFamilies(readings: readonly TopicReading[]): MetricFamily[] {
  const family = (
    name: string,
    help: string,
    type: 'counter' | 'gauge',
    value: (reading: TopicReading) => number,
  ): MetricFamily => ({ name, help, type, samples: bounded(readings, { topic: OTHERS }, value) })
  return [
    family(
      'portal_mq_messages_published_total',
      'Messages committed.',
      'counter',
      ({ counters }) => counters.published,
    ),
    family(
      'portal_mq_published_bytes_total',
      'Bytes of record batches committed.',
      'counter',
      ({ counters }) => counters.publishedBytes,
    ),
    family('portal_mq_stored_messages', 'Messages stored.', 'gauge', ({ stored }) => stored),
    family(
      'portal_mq_stored_bytes',
      'Bytes of record batches stored.',
      'gauge',
      ({ storedBytes }) => storedBytes,
    ),
  ]
}

interface GroupReading {
  readonly labels: { readonly topic: string; readonly group: string }
  readonly counters: GroupCounters
  readonly lag: number
  readonly inFlight: number
  readonly retrying: number
  readonly waitingReceives: number
}

function readGroups(topic: Topic): GroupReading[] {
  return [...topic.dispatchers].map(([group, dispatcher]) => {
    let lag = 0
    let inFlight = 0
    let retrying = 0
    for (const { state } of topic.partitions) {
      const queue = state.queues.get(group)
      if (!queue) continue
      lag += queue.unsettled(state.nextOffset)
      inFlight += queue.leased
      retrying += queue.waiting
    }
    return {
      labels: { topic: topic.name, group },
      counters: topic.counters.group(group),
      lag,
      inFlight,
      retrying,
      waitingReceives: dispatcher.waiters.size,
    }
  })
}

function groupFamilies(readings: readonly GroupReading[]): MetricFamily[] {
  const others = { topic: OTHERS, group: OTHERS }
  const family = (
    name: string,
    help: string,
    type: 'counter' | 'gauge',
    value: (reading: GroupReading) => number,
  ): MetricFamily => ({ name, help, type, samples: bounded(readings, others, value) })
  const counters = (name: string, help: string, value: (counters: GroupCounters) => number) =>
    family(name, help, 'counter', (reading) => value(reading.counters))
  return [
    counters(
      'portal_mq_messages_delivered_total',
      'Messages given to consumers.',
      ({ delivered }) => delivered,
    ),
    counters(
      'portal_mq_messages_redelivered_total',
      'Of them, those that were delivered to the group before.',
      ({ redelivered }) => redelivered,
    ),
    settledFamily(readings),
    counters(
      'portal_mq_messages_dead_lettered_total',
      'Messages moved to a dead-letter topic.',
      ({ deadLettered }) => deadLettered,
    ),
    counters(
      'portal_mq_messages_expired_total',
      'Messages that retention removed before the group had settled them.',
      ({ expired }) => expired,
    ),
    family('portal_mq_group_lag_messages', 'Messages not settled yet.', 'gauge', ({ lag }) => lag),
    family(
      'portal_mq_group_in_flight_messages',
      'Messages under a lease.',
      'gauge',
      ({ inFlight }) => inFlight,
    ),
    family(
      'portal_mq_group_retrying_messages',
      'Messages that failed and wait for their next attempt.',
      'gauge',
      ({ retrying }) => retrying,
    ),
    family(
      'portal_mq_group_waiting_receives',
      'Consumers that sleep until there is something.',
      'gauge',
      ({ waitingReceives }) => waitingReceives,
    ),
  ]
}

function settledFamily(readings: readonly GroupReading[]): MetricFamily {
  const outcomes = Object.keys(new GroupCounters().settled) as (keyof GroupCounters['settled'])[]
  return {
    name: 'portal_mq_messages_settled_total',
    help: 'Messages whose lease ended, by how.',
    type: 'counter',
    samples: outcomes.flatMap((outcome) =>
      bounded(readings, { topic: OTHERS, group: OTHERS }, ({ counters }) => counters.settled[outcome]).map(
        (sample) => ({ ...sample, labels: { ...sample.labels, outcome } }),
      ),
    ),
  }
}

/** A sample for each of the first, the oldest; one for all the others. */
function bounded<R extends { readonly labels: MetricSample['labels'] }>(
  readings: readonly R[],
  others: MetricSample['labels'],
  value: (reading: R) => number,
): MetricSample[] {
  const samples: MetricSample[] = readings
    .slice(0, MOST)
    .map((reading) => ({ labels: reading.labels, value: value(reading) }))
  const rest = readings.slice(MOST)
  if (rest.length > 0)
    samples.push({ labels: others, value: rest.reduce((sum, reading) => sum + value(reading), 0) })
  return samples
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ labels: {}, value }] }
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] }
}
