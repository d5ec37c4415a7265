import type { BrokerAddress, BrokerService, RemoteService, TopicRoute } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { ClientRoutes } from './client-routes.js'
import { type RoutedCalls, routing } from './routed-service.js'

export interface ClientRoutingOptions {
  readonly runtime: Runtime
  /** Whichever broker answers: it passes on what it does not lead. */
  readonly anyBroker: RemoteService
  /** The way to one of them, which passes nothing on. It fails at once, or in reasonable time, while that is away. */
  connectTo(broker: BrokerAddress): RemoteService
  /** Aborts when the connection closes. */
  readonly closed: AbortSignal
}

export interface ClientRouting {
  readonly calls: RoutedCalls
  /** Takes a route that a broker has answered with. */
  learn(route: TopicRoute): void
  /** The id of who leads a partition, as far as is known. */
  leaderOf(topicId: string, partition: number): string | null | undefined
}

/** Takes a client's calls to the leaders directly, as far as they are known and reached; all else goes to any broker, which passes it on. */
export function clientRouting(options: ClientRoutingOptions): ClientRouting {
  const { runtime, anyBroker, connectTo, closed } = options
  const routes = new ClientRoutes(runtime, anyBroker, closed)
  const { calls, leaders } = routing({
    runtime,
    routes,
    // Where there are no streams nobody asks for them.
    anyBroker: anyBroker as BrokerService,
    connectTo: (broker) => connectTo(broker) as BrokerService,
    closed,
  })
  return {
    calls,
    leaderOf: (topicId, partition) => routes.find(topicId)?.leaders?.[partition],
    learn(route) {
      routes.learn(route)
      // They are tried out before the first call.
      leaders.ofTopic(route.topicId)
    },
  }
}
