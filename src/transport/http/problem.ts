import { type ErrorCode, isPortalError, PortalError } from '../../core/errors.js'
import type { HttpResponse } from './exchange.js'

export const PROBLEM_TYPE = 'application/problem+json'

/** RFC 9457, with our code and whether the same call may succeed later. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly retriable: boolean
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  SCHEMA_INVALID: 400,
  CORRUPT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TOPIC_NOT_FOUND: 404,
  GROUP_NOT_FOUND: 404,
  ABORTED: 408,
  TOPIC_EXISTS: 409,
  GROUP_CONFLICT: 409,
  LEASE_LOST: 409,
  LOCK_LOST: 409,
  SEQUENCE_REFUSED: 409,
  MESSAGE_TOO_LARGE: 413,
  UNSUPPORTED: 415,
  OFFSET_OUT_OF_RANGE: 416,
  NOT_LEADER: 421,
  QUOTA_EXCEEDED: 429,
  STORAGE_FAILED: 500,
  CLOSED: 503,
  DISCONNECTED: 503,
  DIRECTORY_IN_USE: 503,
  NOT_ENOUGH_REPLICAS: 503,
  TIMEOUT: 504,
  STORAGE_FULL: 507,
}

/** What an error says beside its text. A second is enough for any quota: what it counts goes by the second. */
const HEADERS: { readonly [C in ErrorCode]?: Readonly<Record<string, string>> } = {
  UNAUTHENTICATED: { 'www-authenticate': 'Bearer realm="portal-mq"' },
  QUOTA_EXCEEDED: { 'retry-after': '1' },
}

/** An error as an answer. What is no PortalError is a fault of ours: its text stays here. */
export function toProblem(
  error: unknown,
  extra: Partial<{ status: number; headers: Record<string, string>; fields: Record<string, unknown> }> = {},
): HttpResponse {
  const known = isPortalError(error) ? error : unforeseen()
  const status = extra.status ?? STATUS[known.code] ?? 500
  const problem: Problem = {
    type: `urn:portal-mq:error:${known.code}`,
    title: known.code.toLowerCase().replaceAll('_', ' '),
    status,
    detail: known.message,
    code: known.code,
    retriable: known.retriable,
  }
  return {
    status,
    headers: { 'content-type': PROBLEM_TYPE, ...HEADERS[known.code], ...extra.headers },
    body: `${JSON.stringify({ ...problem, ...extra.fields })}\n`,
  }
}

export function urlTooLong(length: number, limit: number): HttpResponse {
  const text = `The URL has ${length} characters, at most ${limit} are taken.`
  return toProblem(new PortalError('INVALID_ARGUMENT', text), { status: 414 })
}

export function bodyReadBefore(): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError(
    'INVALID_ARGUMENT',
    'The body was read before it came here: mount the handler before whatever parses bodies.',
  )
}

export function bodyTooLong(limit: number): PortalError<'MESSAGE_TOO_LARGE'> {
  return new PortalError(
    'MESSAGE_TOO_LARGE',
    `The body is longer than the ${limit} bytes that are taken here.`,
  )
}

function unforeseen(): PortalError {
  return new PortalError('STORAGE_FAILED', 'The broker failed in an unforeseen way; its log says more.')
}
