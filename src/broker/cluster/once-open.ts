import { PortalError } from '../../core/errors.js'
import type { BrokerService } from '../../protocol/service.js'

/**
 * Says DISCONNECTED to all callers until the broker is open: one that was just started has not been told of everything, and what it has not been
 * told of it would take for deleted, while its callers can ask another broker, or again.
 */
export function onceOpen(service: BrokerService, isOpen: () => boolean): BrokerService {
  const gated: Record<string, unknown> = {}
  for (const name of Object.keys(service) as (keyof BrokerService)[]) {
    const method = service[name] as (...args: unknown[]) => unknown
    gated[name] = (...args: unknown[]) => {
      if (isOpen()) return method(...args)
      if (name === 'receiveStream') throw stillOpening()
      return Promise.reject(stillOpening())
    }
  }
  return gated as unknown as BrokerService
}

function stillOpening(): PortalError<'DISCONNECTED'> {
  return new PortalError(
    'DISCONNECTED',
    'This broker has just been started and does not know the whole cluster yet: ask another, or again in a moment.',
  )
}
