import { PortalError } from '../core/errors.js'
import { RecentSet } from '../core/recent-set.js'
import { POLL } from '../protocol/poll.js'
import type { BrokerService, EndReceiveRequest } from '../protocol/service.js'

/** How many receives are remembered: those of seconds at full load, in some megabytes. */
const REMEMBERED = 16_384

/**
 * Serves each receive of a consumer once. A network may bring a request twice, and what its copy leased nobody would hear of until the lease
 * ends; and what a copy says is held may be long untrue. Which of the two the caller listens to cannot be known: so the second is refused, and if that
 * is what the caller hears, it asks anew and says what it holds.
 *
 * Calls that another broker passes on are not looked at: two brokers may number the receives of one consumer alike.
 */
export function refusingCopies(service: BrokerService): BrokerService {
  const seen = new RecentSet(REMEMBERED)
  return {
    ...service,
    async receive(request, call) {
      const { id, consumer, hint, wait = Number.POSITIVE_INFINITY } = request
      if (id === undefined || hint || call?.forwarded) return service.receive(request, call)
      const name = nameOf({ ...request, id })
      if (seen.has(name)) throw servedBefore(consumer)
      seen.add(name)
      const response = await service.receive(request, call)
      // Only this may be renewed under its id.
      if (response.deliveries.length === 0 && wait >= POLL) seen.delete(name)
      return response
    },
    endReceive(request, call) {
      // The receive itself may come later than its end, too.
      if (!call?.forwarded) seen.add(nameOf(request))
      return service.endReceive(request, call)
    },
  }
}

/** With the topic and group: whoever may not consume them ends no receive of theirs. */
function nameOf({ topicId, group, consumer, id }: EndReceiveRequest): string {
  return `${id} ${topicId} ${group} ${consumer}`
}

function servedBefore(consumer: string): PortalError<'ABORTED'> {
  return new PortalError(
    'ABORTED',
    `This receive of consumer ${consumer} came twice, and is answered once. Ask again with another id, and say what is held.`,
    { retriable: true },
  )
}
