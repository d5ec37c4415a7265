import type { BrokerService } from '../../protocol/service.js'
import type { CallSignal } from '../../runtime/call-signal.js'

/** How long what is sent to a partition that is about to be led here waits (ms). */
const PATIENCE = 500

export interface ComingLeaderships {
  /** Whether this broker is to lead the partition and does not yet: its first entry is on its way to those in sync. */
  isAboutToLead(topicId: string, partition: number): boolean
  /** Sleeps until `test` holds, at most so many milliseconds. Rejects with ABORTED. */
  until(test: () => boolean, timeout: number, signal: CallSignal | undefined): Promise<void>
}

/**
 * A broker's own service, where sends and settlements wait for a moment for what it is about to lead: callers that hear of it sooner than it has
 * taken over would be sent away, and come back later than need be.
 */
export function onceLed(own: BrokerService, coming: ComingLeaderships): BrokerService {
  const wait = async (isLed: () => boolean, signal: CallSignal | undefined): Promise<void> => {
    if (!isLed()) await coming.until(isLed, PATIENCE, signal)
  }
  return {
    ...own,
    produce: async (request, call) => {
      const isLed = () =>
        !request.batches.some(({ topicId, partition }) => coming.isAboutToLead(topicId, partition))
      await wait(isLed, call?.signal)
      return own.produce(request, call)
    },
    settle: async (request, call) => {
      const { topicId, settlements } = request
      const isLed = () => !settlements.some(({ partition }) => coming.isAboutToLead(topicId, partition))
      await wait(isLed, call?.signal)
      return own.settle(request, call)
    },
  }
}
