import { PortalError } from '../../core/errors.js'
import { everyCall } from '../../protocol/every-call.js'
import type { BrokerService } from '../../protocol/service.js'

/**
 * Says DISCONNECTED to all callers until the broker is open: one that was just started has not been told of everything, and what it has not been
 * told of it would take for deleted, while its callers can ask another broker, or again.
 */
export function onceOpen(service: BrokerService, isOpen: () => boolean): BrokerService {
  return {
    ...everyCall(
      service,
      (call) =>
        (...args) =>
          isOpen() ? call(...args) : Promise.reject(stillOpening()),
    ),
    receiveStream: (...args) => {
      if (!isOpen()) throw stillOpening()
      return service.receiveStream(...args)
    },
  }
}

function stillOpening(): PortalError<'DISCONNECTED'> {
  return new PortalError(
    'DISCONNECTED',
    'This broker has just been started and does not know the whole cluster yet: ask another, or again in a moment.',
  )
}
