import { isPortalError, PortalError } from '../core/errors.js'
import { type ClientSide, CONNECTION, type Connection } from '../protocol/connection.js'
import { describe, invalid } from './options.js'

/** What a connection holds for its clients. Throws INVALID_ARGUMENT for anything that is no connection. */
export function clientSideOf(connection: Connection): ClientSide {
  const side = (connection as Connection | null | undefined)?.[CONNECTION]
  if (side === undefined) {
    throw invalid(
      `A broker (createBroker) or a connection (connect) is needed here, not ${describe(connection)}. ` +
        'createBroker makes a promise: is an await missing?',
    )
  }
  return side
}

/** Whatever a service threw, as a PortalError. */
export function asPortalError(error: unknown): PortalError {
  if (isPortalError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new PortalError('DISCONNECTED', `The broker failed in an unforeseen way: ${message}`, {
    cause: error,
    retriable: false,
  })
}

/** What a waiting call rejects with once its connection has closed. */
export function closedReason(side: ClientSide): PortalError {
  const reason: unknown = side.closed.reason
  if (isPortalError(reason)) return reason
  return new PortalError('CLOSED', 'The broker or connection is closed.', { cause: reason })
}
