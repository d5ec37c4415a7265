import { isIP } from 'node:net'
import { PortalError } from '../../core/errors.js'
import { checkOptionNames, describe, invalid } from '../../core/options.js'
import type { HttpHandler, HttpRequest, HttpResponse } from './exchange.js'
import { toProblem } from './problem.js'

/** Which web pages may call the broker from a browser. */
export interface HttpCors {
  /** Origins such as `https://app.example`; `*` is all of them. */
  readonly origins: readonly string[]
}

export interface ResolvedCors {
  readonly origins: ReadonlySet<string>
}

/** Seconds for which a browser remembers what it may do. */
const MAX_AGE = 600

/** Throws INVALID_ARGUMENT. */
export function resolveCors(cors: unknown): ResolvedCors | undefined {
  if (cors === undefined) return undefined
  checkOptionNames('cors', cors, ['origins'])
  const { origins } = cors as HttpCors
  if (!Array.isArray(origins) || origins.length === 0)
    throw invalid(
      `'cors.origins' must be a list of origins, such as ['https://app.example']; it is ${describe(origins)}.`,
    )
  origins.forEach((origin: unknown, at) => {
    if (origin === '*' || isOrigin(origin)) return
    throw invalid(
      `'cors.origins[${at}]' must be an origin, such as 'https://app.example' without a path, or '*'; it is ${describe(origin)}.`,
    )
  })
  return { origins: new Set(origins as string[]) }
}

function isOrigin(origin: unknown): origin is string {
  return typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin
}

/**
 * Keeps web pages out that are not the broker's own or named: a browser sends some of their requests without asking, with the
 * client certificate of whoever sits before it. Those named get their preflights answered, and may read the answers.
 */
export function guardOrigins(handler: HttpHandler, cors: ResolvedCors | undefined): HttpHandler {
  const named = async (origin: string, request: HttpRequest) => {
    const isPreflight =
      request.method === 'OPTIONS' && request.header('access-control-request-method') !== undefined
    return isPreflight ? preflight(origin, request) : readable(origin, await handler(request))
  }
  return (request) => {
    const origin = request.header('origin')
    if (origin === undefined) return handler(request)
    const isNamed = cors !== undefined && (cors.origins.has(origin) || cors.origins.has('*'))
    if (isNamed) return named(origin, request)
    return isOwn(origin, request) ? handler(request) : Promise.resolve(foreign(origin))
  }
}

function preflight(origin: string, request: HttpRequest): HttpResponse {
  const headers: Record<string, string> = {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'access-control-max-age': String(MAX_AGE),
    vary: 'origin, access-control-request-headers',
  }
  const asked = request.header('access-control-request-headers')
  if (asked !== undefined) headers['access-control-allow-headers'] = asked
  return { status: 204, headers, body: undefined }
}

function readable(origin: string, answer: HttpResponse): HttpResponse {
  const headers = {
    ...answer.headers,
    'access-control-allow-origin': origin,
    'access-control-expose-headers': '*',
    vary: 'origin',
  }
  return { ...answer, headers }
}

/** Whether a page comes from the very place that it calls. */
function isOwn(origin: string, request: HttpRequest): boolean {
  const host = request.header('host')
  if (host === undefined || !isOrigin(origin)) return false
  const withoutPort = (one: string) => one.toLowerCase().replace(/:(80|443)$/, '')
  return withoutPort(new URL(origin).host) === withoutPort(host)
}

function foreign(origin: string): HttpResponse {
  const error = new PortalError(
    'FORBIDDEN',
    `Pages of ${origin.slice(0, 100)} may not call this broker. Name the origin in http({ cors: { origins } }) to allow them.`,
  )
  return toProblem(error)
}

/**
 * For a broker that is protected by listening at a loopback address alone: takes only requests that name such an address, or one
 * of `hosts`. A page elsewhere can have its own name lead to 127.0.0.1, and would be the broker's own.
 */
export function guardHosts(handler: HttpHandler, hosts: readonly string[]): HttpHandler {
  const known = new Set(hosts.map((host) => host.toLowerCase()))
  // Callers keep saying the same.
  let last: string | undefined
  return (request) => {
    const host = request.header('host') ?? ''
    if (host === last) return handler(request)
    const name = hostNameOf(host)
    const isLocal = name === '' || name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0
    if (isLocal || known.has(name)) {
      last = host
      return handler(request)
    }
    const error = new PortalError(
      'FORBIDDEN',
      `This broker does not know itself as ${name.slice(0, 100)}. Ask it as localhost, or give it a name with http({ advertise }).`,
    )
    return Promise.resolve(toProblem(error))
  }
}

/** The host of a Host header, without port and brackets. */
function hostNameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
}
