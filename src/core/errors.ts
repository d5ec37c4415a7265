/**
 * Every way in which portal-mq says no. A code never changes its meaning; new ones may be added.
 * The same code crosses every transport.
 */
export const ERROR_CODES = [
  'INVALID_ARGUMENT',
  'TOPIC_NOT_FOUND',
  'TOPIC_EXISTS',
  'GROUP_NOT_FOUND',
  'GROUP_CONFLICT',
  'MESSAGE_TOO_LARGE',
  'SCHEMA_INVALID',
  'LEASE_LOST',
  'LOCK_LOST',
  'NOT_LEADER',
  'NOT_ENOUGH_REPLICAS',
  'OFFSET_OUT_OF_RANGE',
  'SEQUENCE_REFUSED',
  'TIMEOUT',
  'ABORTED',
  'CLOSED',
  'DISCONNECTED',
  'DIRECTORY_IN_USE',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'QUOTA_EXCEEDED',
  'STORAGE_FULL',
  'STORAGE_FAILED',
  'CORRUPT',
  'UNSUPPORTED',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** What a caller may simply try again: the state of the world can change without the caller's doing. */
const RETRIABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_LEADER',
  'NOT_ENOUGH_REPLICAS',
  'DISCONNECTED',
  'TIMEOUT',
  'QUOTA_EXCEEDED',
  'STORAGE_FULL',
])

/** Survives two copies of the package in one process, where `instanceof` does not. */
const BRAND = Symbol.for('portal-mq.error')

export interface PortalErrorOptions {
  /** What led to it, if something did. */
  readonly cause?: unknown
  /** Whether the same call may succeed later. @default by code */
  readonly retriable?: boolean | undefined
}

/**
 * The one error that portal-mq throws.
 *
 * `message` says what happened, with the names involved, and what to do about it.
 *
 * @example
 * try { await producer.send('orders', order) }
 * catch (error) { if (isPortalError(error, 'STORAGE_FULL')) await makeRoom() ; else throw error }
 */
export class PortalError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retriable: boolean

  constructor(code: C, message: string, options: PortalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = code === 'ABORTED' ? 'AbortError' : 'PortalError'
    this.code = code
    this.retriable = options.retriable ?? RETRIABLE.has(code)
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** Whether `error` is a PortalError, of one of the given codes if any are given. */
export function isPortalError(error: unknown): error is PortalError
export function isPortalError<const C extends ErrorCode>(
  error: unknown,
  ...codes: [C, ...C[]]
): error is PortalError<C>
export function isPortalError(error: unknown, ...codes: ErrorCode[]): boolean {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
  return codes.length === 0 || codes.includes((error as unknown as PortalError).code)
}

/** The error of a wait that its caller's signal ended; its cause is the signal's reason. */
export function abortedError(what: string, signal: { readonly reason: unknown }): PortalError<'ABORTED'> {
  return new PortalError('ABORTED', `${what} was aborted by its signal.`, { cause: signal.reason })
}
