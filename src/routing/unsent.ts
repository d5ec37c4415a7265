import { isPortalError } from '../core/errors.js'

/** What Node and undici call it when no connection was made. */
const NO_CONNECTION: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT'])

/** Whether a call that failed so was never sent: there was nobody to send it to. */
export function wasNeverSent(error: unknown): boolean {
  if (!isPortalError(error, 'DISCONNECTED')) return false
  return NO_CONNECTION.has((error.cause as { readonly code?: unknown } | undefined)?.code)
}
