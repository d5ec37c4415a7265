import type { ClusterDescription } from '../protocol/cluster.js'
import { everyCall, optionsOf } from '../protocol/every-call.js'
import type { AskedGroupSettings } from '../protocol/groups.js'
import type { Authorize, BrokerService } from '../protocol/service.js'
import type { TopicSummary } from '../protocol/topics.js'

type Request<M extends keyof BrokerService> = Parameters<BrokerService[M]>[0]
type Checks = { readonly [M in keyof BrokerService]: (may: Authorize, request: never) => void }

/** Asks, before each call, whether the caller may do it; `nameOf` is the name of a topic id, if there is such a topic. */
export function authorizing(
  service: BrokerService,
  nameOf: (topicId: string) => string | undefined,
): BrokerService {
  const checks = checksBy(nameOf)
  const calls = everyCall(service, (call, name) => {
    const check = checks[name] as (may: Authorize, request: unknown) => void
    return (...args) => {
      const may = optionsOf(name, args)?.authorize
      if (may === undefined) return call(...args)
      try {
        check(may, args[0])
      } catch (error) {
        return Promise.reject(error)
      }
      const answer = call(...args)
      if (name === 'listTopics') return answer.then((all) => visible(all as readonly TopicSummary[], may))
      if (name === 'describeCluster') return answer.then((all) => shown(all as ClusterDescription, may))
      return answer
    }
  })
  return {
    ...calls,
    receiveStream: async function* (request, call) {
      if (call?.authorize)
        (checks.receiveStream as (may: Authorize, of: typeof request) => void)(call.authorize, request)
      yield* service.receiveStream(request, call)
    },
  }
}

function checksBy(nameOf: (topicId: string) => string | undefined): Checks {
  // A topic that is not there is the service's to refuse.
  const byId = (may: Authorize, action: 'produce' | 'consume', topicId: string) => {
    const name = nameOf(topicId)
    if (name !== undefined) may(action, name)
  }
  const admin = (may: Authorize, request: { readonly name: string }) => may('admin', request.name)
  const groupAdmin = (may: Authorize, request: { readonly topic: string }) => may('admin', request.topic)
  const consumer = (may: Authorize, request: { readonly topic: string }) =>
    mayAny(may, ['consume', 'admin'], request.topic)
  const described = (may: Authorize, request: { readonly name: string }) =>
    mayAny(may, ['admin', 'consume', 'produce'], request.name)
  const locks = (may: Authorize, request: { readonly name: string }) => may('lock', request.name)
  // No topic has this name: only who may administer all of them fits.
  const everything = (may: Authorize) => may('admin', '*')
  const nothing = () => {}
  return {
    produce: (may, request: Request<'produce'>) => {
      for (const { topicId } of request.batches) byId(may, 'produce', topicId)
    },
    joinGroup: (may, request: Request<'joinGroup'>) => {
      mayAny(may, ['consume', 'admin'], request.topic)
      mayKillInto(may, request.topic, request.settings)
    },
    receive: (may, request: Request<'receive'>) => byId(may, 'consume', request.topicId),
    receiveStream: (may, request: Request<'receiveStream'>) => byId(may, 'consume', request.topicId),
    // Whoever knows a stream's name was told it.
    addCredit: nothing,
    endStream: nothing,
    endReceive: (may, request: Request<'endReceive'>) => byId(may, 'consume', request.topicId),
    settle: (may, request: Request<'settle'>) => byId(may, 'consume', request.topicId),
    read: (may, request: Request<'read'>) => byId(may, 'consume', request.topicId),
    findOffset: (may, request: Request<'findOffset'>) => byId(may, 'consume', request.topicId),
    createTopic: admin,
    listTopics: nothing,
    findTopic: (may, request: Request<'findTopic'>) => {
      if (request.create) mayAny(may, ['produce', 'admin'], request.name)
      else described(may, request)
    },
    describeTopic: described,
    updateTopic: admin,
    addPartitions: admin,
    deleteTopic: admin,
    listGroups: consumer,
    describeGroup: consumer,
    updateGroup: (may, request: Request<'updateGroup'>) => {
      may('admin', request.topic)
      mayKillInto(may, request.topic, request.patch)
    },
    pauseGroup: groupAdmin,
    resumeGroup: groupAdmin,
    seekGroup: groupAdmin,
    deleteGroup: groupAdmin,
    explain: consumer,
    // Clients ask for it to find a broker that answers; what is not theirs is left out.
    describeCluster: nothing,
    describePlacement: everything,
    changeCluster: everything,
    metrics: nothing,
    checkReady: nothing,
    acquireLock: locks,
    renewLock: locks,
    releaseLock: locks,
  }
}

/** A dead-letter topic of another name is a way to write to it: whoever asks for one must be allowed to. */
function mayKillInto(may: Authorize, topic: string, { deadLetter }: AskedGroupSettings): void {
  if (typeof deadLetter === 'string' && deadLetter !== `${topic}.dead`) may('produce', deadLetter)
}

function mayAny(may: Authorize, actions: readonly Parameters<Authorize>[0][], name: string): void {
  for (let at = 0; at < actions.length; at++) {
    try {
      return may(actions[at]!, name)
    } catch (error) {
      if (at === actions.length - 1) throw error
    }
  }
}

/** What the caller may do something with. */
function visible(topics: readonly TopicSummary[], may: Authorize): readonly TopicSummary[] {
  return topics.filter(({ name }) => {
    try {
      mayAny(may, ['admin', 'consume', 'produce'], name)
      return true
    } catch {
      return false
    }
  })
}

/** Where the brokers are is for everybody to know: they have come here already. How much they hold is the administrator's. */
function shown(cluster: ClusterDescription, may: Authorize): ClusterDescription {
  try {
    // No topic has this name: only who may administer all of them fits.
    may('admin', '*')
    return cluster
  } catch {
    const { clusterId, brokers } = cluster
    return { clusterId, brokers: brokers.map(({ id, url }) => ({ id, url })) }
  }
}
