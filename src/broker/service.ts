import type { LockService } from '../coordination/lock.js'
import { PortalError } from '../core/errors.js'
import { everyCall } from '../protocol/every-call.js'
import type { BrokerService, CallOptions, ReceiveRequest } from '../protocol/service.js'
import { type Receive, ReceiveStreams } from '../routing/receive-streams.js'
import { diagnostics } from '../runtime/diagnostics.js'
import type { Storage } from '../storage/storage.js'
import { authorizing } from './authorize.js'
import { clusterCalls } from './cluster-calls.js'
import { receive, settle } from './consume-service.js'
import type { GroupAdmin } from './group-admin.js'
import { collectMetrics } from './metrics/collect.js'
import type { CommitStatistics } from './metrics/commit-statistics.js'
import { watchProduce } from './metrics/watch-produce.js'
import { nothingLedHere } from './missing.js'
import { produce } from './produce-service.js'
import { findCommittedOffset, read } from './read-service.js'
import { refusingCopies } from './receive-copies.js'
import type { Standing } from './standing.js'
import type { Topic } from './topic.js'
import type { AdminHost, TopicAdmin } from './topic-admin.js'

export interface ServiceHost extends AdminHost {
  readonly standing: () => Pick<
    Standing,
    'describe' | 'describePlacement' | 'command' | 'metrics' | 'leaderOf'
  >
  readonly clusterId: string
  readonly storage: Storage
  readonly commits: CommitStatistics
  /** Why new messages are refused now, if they are. */
  readonly refusal: () => PortalError | undefined
  readonly topics: TopicAdmin
  readonly groups: GroupAdmin
  readonly locks: LockService
  /** Why no more calls are taken, once the broker has ended. */
  readonly ended: () => PortalError | undefined
}

/**
 * A broker's service, of what it leads itself. `local`: for callers in the broker's own process, whose answers cannot be lost and whose leases
 * end with the process.
 */
export function ownService(host: ServiceHost, local: boolean): BrokerService {
  const { hosting, runtime, topics, groups, estate } = host
  const receiveOne = async (request: ReceiveRequest, call: CallOptions) => {
    const topic = hosting.findById(request.topicId)
    if (leadsNothingOf(topic, host)) throw nothingLedHere(topic.name)
    // Another broker may have made or moved the group just now.
    if (topic.dispatchers.get(request.group)?.generation !== request.generation)
      await estate.syncGroup(topic, request.group)
    return receive(topic, request, call, runtime, local)
  }
  const streams = new ReceiveStreams(runtime)
  /** Says by an empty answer when a partition has moved away, though there may be more to be had here. */
  const receiveNext = (topic: Topic): Receive => {
    let { departures } = topic
    return async (request, call) => {
      const isTold = departures === topic.departures || request.held !== undefined
      const answer = isTold ? await receiveOne(request, call) : { deliveries: [] }
      if (answer.deliveries.length === 0) ({ departures } = topic)
      return answer
    }
  }
  const service: BrokerService = {
    produce: async (request) => {
      const answer = produce(request, (topicId, partition) => hosting.partition(topicId, partition), runtime)
      if (!diagnostics.produce.hasSubscribers) return answer
      const { brokerId } = host
      return watchProduce(request, answer, {
        brokerId,
        clock: runtime.clock,
        nameOf: (id) => hosting.nameOf(id),
      })
    },
    joinGroup: async (request) => groups.joinGroup(request),
    receive: (request, call = {}) => receiveOne(request, call),
    receiveStream: (request, call = {}) => {
      const topic = hosting.findById(request.topicId)
      return streams.run(request, receiveNext(topic), call)
    },
    addCredit: async (credit) => streams.raise(credit),
    endStream: async ({ stream }) => streams.end(stream),
    endReceive: async ({ topicId, group, consumer, id }) =>
      hosting.findById(topicId).dispatchers.get(group)?.endReceive(consumer, id),
    settle: async (request) => {
      // First: what the settlements free and what the stream leases ride in one commit.
      if (request.credit) streams.raise(request.credit)
      const topic = hosting.findById(request.topicId)
      return settle(topic, (partition) => hosting.partition(request.topicId, partition), request, local)
    },
    read: async (request, call = {}) =>
      read(hosting.partition(request.topicId, request.partition), request, call, runtime),
    findOffset: async ({ topicId, partition, at }) => ({
      offset: await findCommittedOffset(hosting.partition(topicId, partition), at),
    }),
    createTopic: async (request) => topics.createTopic(request),
    listTopics: async () => topics.listTopics(),
    findTopic: async (request, call = {}) => topics.findTopic(request, call),
    describeTopic: async (request) => topics.describeTopic(request),
    updateTopic: async (request) => topics.updateTopic(request),
    addPartitions: async (request) => topics.addPartitions(request),
    deleteTopic: async (request) => topics.deleteTopic(request),
    listGroups: async (request) => groups.listGroups(request),
    describeGroup: async (request) => groups.describeGroup(request),
    updateGroup: async (request) => groups.updateGroup(request),
    pauseGroup: async (request) => groups.pauseGroup(request),
    resumeGroup: async (request) => groups.resumeGroup(request),
    seekGroup: async (request) => groups.seekGroup(request),
    deleteGroup: async (request) => groups.deleteGroup(request),
    explain: async (request) => groups.explain(request),
    describeCluster: async () => ({
      clusterId: host.clusterId,
      brokers: [{ id: host.brokerId, url: host.url() }],
      topics: hosting.topics.length,
      partitions: hosting.topics.reduce((sum, topic) => sum + topic.document.partitions, 0),
      storage: await host.storage.space(),
      ...host.standing().describe(),
    }),
    ...clusterCalls(host),
    metrics: async () => [
      ...(await collectMetrics(hosting, host.commits, host.storage)),
      ...host.standing().metrics(),
    ],
    checkReady: async () => {
      const refusal = host.refusal()
      if (refusal) throw refusal
    },
    acquireLock: async ({ waiter, ...request }, call = {}) => {
      // Calls from this process are as long as their waits: when they end no place has to be kept.
      const isOneCall = local && request.wait !== 0
      return host.locks.acquire({ ...request, waiter: isOneCall ? undefined : waiter }, call.signal)
    },
    renewLock: async ({ name, token }) => host.locks.renew(name, token),
    releaseLock: async ({ name, token }) => host.locks.release(name, token),
  }
  return service
}

/** Who waits here would wait in vain. What is about to be led here counts as led. */
function leadsNothingOf({ id, partitions, document }: Topic, { brokerId, standing }: ServiceHost): boolean {
  const among = standing()
  if (partitions.length > 0 || among.leaderOf === undefined) return false
  for (let partition = 0; partition < document.partitions; partition++)
    if (among.leaderOf(id, partition) === brokerId) return false
  return true
}

/** What callers hold: it asks whether they may, if they must be asked, and refuses everything once the broker has ended. */
export function guarded(service: BrokerService, host: ServiceHost, authorized: boolean): BrokerService {
  const { hosting, ended } = host
  return refusingWhenEnded(
    authorized ? service : authorizing(refusingCopies(service), (topicId) => hosting.nameOf(topicId)),
    ended,
  )
}

/** Every method rejects once the broker has ended. */
function refusingWhenEnded(service: BrokerService, ended: () => PortalError | undefined): BrokerService {
  const calls = everyCall(service, (call) => (...args) => {
    const error = ended()
    return error ? Promise.reject(error) : call(...args)
  })
  return {
    ...calls,
    receiveStream: async function* (...args) {
      const error = ended()
      if (error) throw error
      yield* service.receiveStream(...args)
    },
  }
}

export function brokerClosed(): PortalError<'CLOSED'> {
  return new PortalError('CLOSED', 'The broker is closed. Open it again with createBroker.')
}
