import { PortalError } from '../core/errors.js'
import type { StreamService } from '../protocol/service.js'
import type { WayChooser } from './failover.js'

/**
 * A stream over the way that is chosen when it is opened. It breaks with it, and soon after calls go another way: what raises its credit goes with them,
 * and it would wait for that for ever. Whether to open another is for its caller to say.
 */
export function streamOver(chooser: WayChooser): StreamService['receiveStream'] {
  return async function* (request, call) {
    const way = chooser.isAway ? await chooser.whenBack(call?.signal) : chooser.current
    try {
      // Whoever opens streams over ways has ways that have them.
      const service = way.service as typeof way.service & StreamService
      for await (const response of service.receiveStream(request, call)) {
        yield response
        if (way !== chooser.current)
          throw new PortalError('DISCONNECTED', `Calls do not go to the broker at ${way.url} any more.`)
      }
    } catch (error) {
      throw chooser.heard(way, error)
    }
  }
}
