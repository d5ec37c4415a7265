import type { Way } from './client/failover.js'
import type { LearningParts } from './connect.js'
import { isPortalError } from './core/errors.js'
import type { ClientSide } from './protocol/connection.js'
import { everyCall } from './protocol/every-call.js'
import type { RemoteService } from './protocol/service.js'
import type { ClientRouting } from './routing/client-routing.js'
import { DIRECT_HEADER } from './transport/http/direct.js'

/**
 * Once an answer says who leads, the connection's service asks the leaders. What that needs is loaded then: whoever talks to a broker that is alone
 * needs none of it. Where a leader cannot be reached any broker goes on passing calls on.
 */
export function learnLeaders(
  service: RemoteService,
  parts: LearningParts,
  load = loadRouting,
): ClientSide['leaderOf'] {
  const anyBroker = { ...service }
  let loading: Promise<ClientRouting> | undefined
  let known: ClientRouting | undefined
  service.findTopic = async (request, call) => {
    const route = await anyBroker.findTopic(request, call)
    if (route.leaders === undefined) return route
    loading ??= load().then((routing) => routeToLeaders(routing, service, anyBroker, parts))
    known = await loading
    known.learn(route)
    return route
  }
  return (topicId, partition) => known?.leaderOf(topicId, partition)
}

const loadRouting = () => import('./routing/client-routing.js')

function routeToLeaders(
  { clientRouting }: Awaited<ReturnType<typeof loadRouting>>,
  service: RemoteService,
  anyBroker: RemoteService,
  parts: LearningParts,
): ClientRouting {
  const { runtime, closed, ways, wayTo } = parts
  const routing = clientRouting({
    runtime,
    closed,
    anyBroker,
    connectTo: ({ url }) => watched(wayTo(plain(url), { [DIRECT_HEADER]: '1' }), parts),
  })
  Object.assign(service, routing.calls)
  return {
    ...routing,
    learn(route) {
      for (const { url } of route.brokers ?? []) {
        if (!ways.some((way) => way.url === plain(url))) ways.push(wayTo(plain(url)))
      }
      routing.learn(route)
    },
  }
}

function plain(url: string): string {
  return new URL(url).href.replace(/\/+$/, '')
}

/** Says when a broker that has answered answers no more, and when it does again. */
function watched({ url, service }: Way, parts: LearningParts): RemoteService {
  const { runtime, closed, onDisconnect, onConnect } = parts
  let hasAnswered = false
  let awaySince: number | undefined
  const answered = (): void => {
    hasAnswered = true
    if (awaySince === undefined) return
    const away = runtime.clock.monotonic() - awaySince
    awaySince = undefined
    onConnect(url, away)
  }
  const heard = (error: unknown): unknown => {
    if (closed.aborted) return closed.reason
    if (!isPortalError(error, 'DISCONNECTED')) {
      if (!isPortalError(error, 'ABORTED')) answered()
      return error
    }
    // One that was never reached is none that has gone: calls go to others.
    if (hasAnswered && awaySince === undefined) {
      awaySince = runtime.clock.monotonic()
      onDisconnect(url, error)
    }
    return error
  }
  const calls = everyCall(service, (call) => async (...args) => {
    try {
      const answer = await call(...args)
      answered()
      return answer
    } catch (error) {
      throw heard(error)
    }
  })
  const { receiveStream } = service
  if (receiveStream === undefined) return calls
  return {
    ...calls,
    receiveStream: async function* (...args) {
      try {
        for await (const response of receiveStream(...args)) {
          answered()
          yield response
        }
      } catch (error) {
        throw heard(error)
      }
    },
  }
}
