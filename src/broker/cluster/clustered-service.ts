import type { BrokerService } from '../../protocol/service.js'
import { clusterService } from '../../routing/cluster-service.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Transport } from '../../transport/transport.js'
import type { Hosting } from '../hosting.js'
import type { Assignments } from './assignments.js'
import type { BrokerRoutes } from './broker-routes.js'
import type { Catalog } from './catalog.js'
import { onceLed } from './once-led.js'
import { onceOpen } from './once-open.js'
import { type NamedTopic, onceTold } from './once-told.js'
import { partitionCheck } from './partition-check.js'
import type { SessionKeeper } from './session-keeper.js'
import { sharedReads } from './shared-reads.js'

export interface ClusteredServiceParts {
  readonly runtime: Runtime
  readonly transport: Pick<Transport, 'connectForwarding'>
  readonly hosting: Hosting
  readonly catalog: Catalog
  readonly routes: BrokerRoutes
  readonly assignments: Assignments
  readonly sessions: SessionKeeper
  /** Whether this broker has been told of all topics since it was started. */
  isOpen(): boolean
  readonly ending: AbortSignal
}

/** The service of the whole cluster at this broker, where `own` is that of what it leads. */
export function clusteredService(own: BrokerService, parts: ClusteredServiceParts): BrokerService {
  const { runtime, transport, hosting, routes, assignments, sessions } = parts
  const service = onceLed(own, {
    isAboutToLead: (topicId, partition) =>
      assignments.isLeader(topicId, partition) &&
      hosting.topicById(topicId)?.partition(partition) === undefined,
    until: (test, timeout, signal) => hosting.until(test, timeout, signal),
  })
  return clusterService({
    runtime,
    routes,
    self: { id: sessions.identity.brokerId, service },
    connectTo: ({ url }) => transport.connectForwarding(url),
    checkPartition: partitionCheck({
      hosting,
      timers: runtime.timers,
      readTopic: sharedReads(async (name) => sessions.live.metadata.readNewestTopic(name)),
    }),
    closed: parts.ending,
  })
}

/** What callers get of it: nothing is denied to them only because this broker has not been told of it yet. */
export function toldService(service: BrokerService, parts: ClusteredServiceParts): BrokerService {
  const { catalog, sessions } = parts
  // Callers may ask again and again for what is not there, many at once.
  const readTopic = sharedReads(async (name) => sessions.live.metadata.readTopic(name))
  const readFirst = sharedReads(async (topicId) => sessions.live.metadata.readPartition(topicId, 0))
  /** Whether there is such a topic, whatever this broker has been told. */
  const isThere = async (topic: NamedTopic): Promise<boolean> => {
    if ('topicId' in topic)
      return !catalog.isBuried(topic.topicId) && (await readFirst(topic.topicId)) !== undefined
    const found = await readTopic(topic.name)
    return found !== undefined && !catalog.isBuried(found.id)
  }
  return onceOpen(onceTold(service, isThere), () => parts.isOpen())
}
