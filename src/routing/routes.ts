import type { BrokerAddress, TopicRoute } from '../protocol/service.js'

/** Where routes come from: what the controller pushes to a broker, or the answers that a client has heard. */
export interface RouteSource {
  /** With `leaders` and `brokers`; undefined: nothing is known of this topic. Asked for every call: it must be cheap. */
  find(topicId: string): TopicRoute | undefined
  /**
   * A call has shown that the route is wrong, or is about to be; `isPast`: it is wrong, though whoever is asked may hear of it later. A source that is told
   * of all changes has nothing to do.
   */
  doubt(topicId: string, isPast?: boolean): void
  /** Calls back after the route of a topic has changed; without an id, those of all may have. Returns what forgets it. */
  onChange(listener: (topicId: string | undefined) => void): () => void
}

/** What a broker knows beyond that: it is told of the whole cluster. */
export interface ClusterRoutes extends RouteSource {
  findByName(name: string): TopicRoute | undefined
  /** The brokers that live, this one among them. */
  brokers(): readonly BrokerAddress[]
  /** What the partition's document says, for when no leader answers. */
  placement(topicId: string, partition: number): Placement | undefined
}

export interface Placement {
  readonly epoch: number
  /** Broker ids, as is `inSync`. */
  readonly replicas: readonly string[]
  readonly inSync: readonly string[]
}
