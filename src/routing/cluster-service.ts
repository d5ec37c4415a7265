import { type Call, everyCall, optionsOf } from '../protocol/every-call.js'
import type { BrokerService, CallOptions, TopicRoute } from '../protocol/service.js'
import { type Asking, askLeader } from './ask.js'
import { Gathering } from './gather.js'
import type { Leader } from './leaders.js'
import { LockPlaces } from './lock-places.js'
import { type RoutingOptions, routing } from './routed-service.js'
import type { ClusterRoutes } from './routes.js'

export interface ClusterServiceOptions extends Omit<RoutingOptions, 'self' | 'anyBroker' | 'routes'> {
  readonly routes: ClusterRoutes
  /** This broker. Its service answers for what it leads, and says NOT_LEADER for the rest. */
  readonly self: Leader
}

/**
 * A broker's service in a cluster: what others lead is passed on to them. What was passed on already goes to the broker itself, which passes it on to
 * nobody.
 *
 * It speaks to the other brokers in its own name: whether the caller may do what it asks must be seen to before.
 */
export function clusterService(options: ClusterServiceOptions): BrokerService {
  const { self, routes } = options
  const { calls, ...asking } = routing(options)
  const gathering = new Gathering(self, asking.leaders, routes)
  const locks = new LockPlaces(asking.leaders, routes)
  const own = self.service
  const forCluster: BrokerService = {
    ...own,
    ...calls,
    findTopic: async (request, call) => withLeaders(await own.findTopic(request, call), routes),
    createTopic: async (request, call) => {
      await own.createTopic(request, call)
      return gathering.describeTopic(request, call)
    },
    describeTopic: (request, call) => gathering.describeTopic(request, call),
    updateTopic: async (request, call) => {
      await own.updateTopic(request, call)
      return gathering.describeTopic(request, call)
    },
    addPartitions: async (request, call) => {
      await own.addPartitions(request, call)
      return gathering.describeTopic(request, call)
    },
    listGroups: (request, call) => gathering.listGroups(request, call),
    describeGroup: (request, call) => gathering.describeGroup(request, call),
    updateGroup: async (request, call) => {
      await own.updateGroup(request, call)
      return gathering.describeGroup(request, call)
    },
    explain: (request, call) => explain(asking, own, routes, request, call),
    describePlacement: (request, call) => gathering.describePlacement(request, call),
    acquireLock: (request, call) => locks.acquire(request, call),
    renewLock: (request, call) => locks.renew(request, call),
    releaseLock: (request, call) => locks.release(request, call),
  }
  return choosing(own, forCluster)
}

function withLeaders(route: TopicRoute, routes: ClusterRoutes): TopicRoute {
  const known = routes.find(route.topicId)
  return known === undefined ? route : { ...route, leaders: known.leaders, brokers: known.brokers }
}

async function explain(
  asking: Asking,
  own: BrokerService,
  routes: ClusterRoutes,
  request: Parameters<BrokerService['explain']>[0],
  call: CallOptions | undefined,
): ReturnType<BrokerService['explain']> {
  const topicId = routes.findByName(request.topic)?.topicId
  if (topicId === undefined) return own.explain(request, call)
  const at = { topicId, partition: request.partition }
  return askLeader(asking, at, call, (service, options) => service.explain(request, options))
}

/** What was passed on is the broker's own to answer. */
function choosing(own: BrokerService, forCluster: BrokerService): BrokerService {
  const calls = everyCall(own, (mine, name) => {
    const everybodys = forCluster[name] as Call
    return (...args) => (isOwn(optionsOf(name, args)) ? mine : everybodys)(...args)
  })
  return {
    ...calls,
    // A stream is known by its name to whoever opened it: here, or there.
    addCredit: async (...args) => {
      await Promise.all([own.addCredit(...args), forCluster.addCredit(...args)])
    },
    endStream: async (...args) => {
      await Promise.all([own.endStream(...args), forCluster.endStream(...args)])
    },
    receiveStream: (request, call) => (isOwn(call) ? own : forCluster).receiveStream(request, call),
  }
}

function isOwn(call: CallOptions | undefined): boolean {
  return call?.forwarded === true || call?.direct === true
}
