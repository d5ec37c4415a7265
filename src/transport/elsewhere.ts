import { type ErrorCode, isPortalError, PortalError } from '../core/errors.js'

/** What a broker elsewhere said no with, as it is to be taken here: one that stops comes back, or another does, so that is a bad connection. */
export function asSeenFromHere(
  address: string,
  code: ErrorCode,
  detail: string,
  retriable: boolean | undefined,
): PortalError {
  if (code === 'CLOSED') return new PortalError('DISCONNECTED', `The broker at ${address} stops: ${detail}`)
  return new PortalError(code, detail, { retriable: retriable || code === 'STORAGE_FAILED' })
}

/** The same for what a service threw, which is a fault of its own if it is no PortalError. */
export function thrownElsewhere(address: string, error: unknown): PortalError {
  if (!isPortalError(error))
    return new PortalError('STORAGE_FAILED', `The broker at ${address} failed in an unforeseen way.`, {
      cause: error,
      retriable: true,
    })
  const isTheSame = error.code !== 'CLOSED' && (error.retriable || error.code !== 'STORAGE_FAILED')
  return isTheSame ? error : asSeenFromHere(address, error.code, error.message, error.retriable)
}
