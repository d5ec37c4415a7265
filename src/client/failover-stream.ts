import type { StreamService } from '../protocol/service.js'
import type { WayChooser } from './failover.js'

/** A stream over the way that is chosen when it is opened. It breaks with it: whether to open another is for its caller to say. */
export function streamOver(chooser: WayChooser): StreamService['receiveStream'] {
  return async function* (request, call) {
    const way = chooser.isAway ? await chooser.whenBack(call?.signal) : chooser.current
    try {
      // Whoever opens streams over ways has ways that have them.
      yield* (way.service as typeof way.service & StreamService).receiveStream(request, call)
    } catch (error) {
      throw chooser.heard(way, error)
    }
  }
}
