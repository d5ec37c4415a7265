import type { PortalError } from '../core/errors.js'
import type { ClientSide } from '../protocol/connection.js'
import type { TopicRoute } from '../protocol/service.js'
import { pause, retryDelay } from './backoff.js'
import { asPortalError, closedReason } from './client-side.js'

/**
 * The way to a topic, made with the defaults if it is missing. Retriable errors are told to `goOn`; it says whether to try again
 * (else undefined). Rejects with what cannot be retried.
 */
export async function findRoute(
  side: ClientSide,
  name: string,
  goOn: (error: PortalError) => boolean,
): Promise<TopicRoute | undefined> {
  for (let failures = 1; ; failures++) {
    try {
      return await side.service.findTopic({ name, create: true })
    } catch (thrown) {
      const error = asPortalError(thrown)
      if (side.closed.aborted) throw closedReason(side)
      if (!error.retriable) throw error
      if (!goOn(error)) return undefined
    }
    await pause(side.runtime.timers, retryDelay(failures, side.runtime.random), side.closed)
  }
}
