import type { BrokerAddress, BrokerService } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { type Asking, askLeader, type CheckPartition } from './ask.js'
import { LeaderStreams } from './leader-streams.js'
import { type Leader, Leaders } from './leaders.js'
import { produceToLeaders } from './produce.js'
import { LeaderReceives } from './receive.js'
import { type Receive, ReceiveStreams } from './receive-streams.js'
import type { RouteSource } from './routes.js'
import { LeaderSettles } from './settle.js'

export interface RoutingOptions {
  readonly runtime: Runtime
  readonly routes: RouteSource
  /** The broker that passes calls on. Undefined: a client does. */
  readonly self?: Leader | undefined
  /** For clients: whichever broker answers, which passes on what it does not lead. Undefined: a leader is waited for. */
  readonly anyBroker?: BrokerService | undefined
  /** For brokers: asked of a partition that nobody is known to lead. */
  readonly checkPartition?: CheckPartition | undefined
  /** The way to another broker. It fails at once, or in reasonable time, while that is away. */
  connectTo(broker: BrokerAddress): BrokerService
  /** Aborts when nothing is asked any more. */
  readonly closed: AbortSignal
}

/** The calls that go to the leaders of the partitions that they name. */
export type RoutedCalls = Pick<
  BrokerService,
  | 'produce'
  | 'receive'
  | 'receiveStream'
  | 'addCredit'
  | 'endStream'
  | 'endReceive'
  | 'settle'
  | 'read'
  | 'findOffset'
>

export interface Routing extends Asking {
  readonly calls: RoutedCalls
}

/**
 * Takes calls to the leaders of the partitions that they name, split where there are several, with the answers put together. Brokers pass on with it
 * what they do not lead; clients spare them the way.
 */
export function routing(options: RoutingOptions): Routing {
  const leaders = new Leaders({ ...options, provesFirst: options.anyBroker !== undefined })
  const { anyBroker, checkPartition } = options
  const asking: Asking = { leaders, anyBroker, checkPartition }
  const settles = new LeaderSettles(asking)
  const receives = new LeaderReceives(asking, options.closed)
  const receiveFromAll: Receive = (request, call) => receives.receive(request, call)
  const streams = new LeaderStreams(leaders, new ReceiveStreams(options.runtime), receiveFromAll)
  const calls: RoutedCalls = {
    produce: (request, call) => produceToLeaders(asking, request, call),
    receive: (request, call) => receives.receive(request, call),
    receiveStream: (request, call = {}) => streams.run(request, call),
    addCredit: (credit, call) => streams.raise(credit, call),
    endStream: ({ stream }, call) => streams.end(stream, call),
    endReceive: async (request) => receives.end(request),
    settle: async (request, call) => {
      const at = request.credit && streams.leaderOf(request.credit.stream)
      if (request.credit && at === undefined) await streams.raise(request.credit, call)
      return settles.settle(request, call, at)
    },
    read: (request, call) =>
      askLeader(asking, request, call, (service, options) => service.read(request, options)),
    findOffset: (request, call) =>
      askLeader(asking, request, call, (service, options) => service.findOffset(request, options)),
  }
  return { ...asking, calls }
}
