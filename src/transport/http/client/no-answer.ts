import { type ErrorCode, PortalError } from '../../../core/errors.js'
import { asSeenFromHere } from '../../elsewhere.js'

const utf8 = new TextDecoder()

/** Whatever went wrong on the way: the call may have been carried out or not. */
export function unreachable(url: string, cause: unknown): PortalError {
  const error = cause as
    | { code?: string; message?: string; cause?: { code?: string; message?: string } }
    | undefined
  const why = error?.cause?.code ?? error?.code ?? error?.cause?.message ?? error?.message ?? String(cause)
  return new PortalError('DISCONNECTED', `The broker at ${url} cannot be reached: ${why}.`, { cause })
}

/** An answer that says no, as the error that it was at the broker. */
export function problemOf(url: string, status: number, body: Uint8Array): PortalError {
  let problem: { code?: unknown; detail?: string; retriable?: boolean } | null = null
  try {
    problem = JSON.parse(utf8.decode(body))
  } catch {
    // Something between us and the broker has answered.
  }
  const { code, detail = '', retriable } = problem ?? {}
  if (typeof code !== 'string')
    return new PortalError(
      'DISCONNECTED',
      `What answers at ${url} is no broker of portal-mq: status ${status}.`,
    )
  // One that this build does not know is passed on as it is: `retriable` says what may be done.
  return asSeenFromHere(url, code as ErrorCode, detail, retriable)
}
