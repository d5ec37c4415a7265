import { isPortalError, PortalError } from '../../core/errors.js'
import type { Logger } from '../../protocol/connection.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type { BrokerService } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { type Admission, type Admit, OPEN } from './admission.js'
import { DIRECT_HEADER } from './direct.js'
import { type HttpHandler, type HttpRequest, type HttpResponse, noContent } from './exchange.js'
import { checkJsonShape } from './json-shape.js'
import { type AdmitPeer, isPeerPath } from './peer-admission.js'
import { toProblem } from './problem.js'
import { RequestWatch, type SeenRequest } from './request-watch.js'
import type { Context, Route } from './route.js'
import { type Match, Router } from './router.js'
import { metaRoutes } from './routes/meta.js'
import { checkSchema, type Schema } from './schema.js'

export interface DispatchOptions {
  readonly routes: readonly Route[]
  readonly runtime: Runtime
  readonly logger: Logger
  /** The path below which all is mounted; '' or undefined: at the root. */
  readonly basePath?: string | undefined
  /** The largest body, in bytes. */
  readonly maxBodyBytes: number
  /** What the server counts beside requests: connections. @default nothing */
  readonly serverMetrics?: (() => Promise<readonly MetricFamily[]>) | undefined
  /** Lets a request in, with what its caller may do. Undefined: everybody may do everything. */
  readonly admit?: Admit | undefined
  /** What brokers of the cluster may ask. Undefined: this one is in no cluster. */
  readonly peers?: PeerParts | undefined
}

export interface PeerParts {
  /** Described nowhere. */
  readonly routes: readonly Route[]
  readonly admit: AdmitPeer
}

/** A handler that serves a broker: finds the route, checks what came, calls, and turns errors into problems. */
export function createDispatcher(service: BrokerService, options: DispatchOptions): HttpHandler {
  const { routes, peers } = options
  const router = new Router([...routes, ...metaRoutes(routes, options.basePath), ...(peers?.routes ?? [])])
  const watch = new RequestWatch(options.runtime)
  const serverMetrics = async () => [...watch.families(), ...((await options.serverMetrics?.()) ?? [])]
  return watch.around(async (request, seen) => {
    try {
      const found = findRoute(router, request)
      if ('route' in found) seen.route = found.route.path
      const isOpen = 'route' in found && found.route.open
      // Those who may not come in do not hear what there is, and what is not there is counted, too.
      const admission = isOpen ? OPEN : await letIn(request, options)
      seen.principal = admission.principal
      request.onceOver?.(() => admission.done())
      try {
        if (!('route' in found)) return found
        const { route, params } = found
        const { authorize, forwarded } = admission
        const direct = request.header(DIRECT_HEADER) !== undefined || undefined
        const call = { signal: request.signal, authorize, forwarded, direct }
        const answer = await route.handle({
          service,
          call,
          runtime: options.runtime,
          request,
          params,
          query: readQuery(route, request.query),
          maxBodyBytes: options.maxBodyBytes,
          ...bodyOf(route, request, route.bodyBytes ?? options.maxBodyBytes, admission),
          serverMetrics,
          wants: (...types) => preferred(request.header('accept'), types),
        })
        admission.takeAnswer(sizeOf(answer))
        return answer
      } finally {
        if (request.onceOver === undefined) admission.done()
      }
    } catch (error) {
      if (!isPortalError(error)) logUnforeseen(options.logger, request, seen, error)
      return toProblem(error)
    }
  })
}

async function letIn(request: HttpRequest, { admit, peers }: DispatchOptions): Promise<Admission> {
  return peers?.admit(request) ?? (await admit?.(request)) ?? OPEN
}

/** The route, or the answer that there is none. */
function findRoute(router: Router, request: HttpRequest): Match | HttpResponse {
  try {
    const match = router.match(request.method, request.path)
    if (match === undefined) return notFound(request)
    return 'allowed' in match ? allowedOnly(request, match.allowed) : match
  } catch (error) {
    return toProblem(error)
  }
}

/** About: characters that take more bytes are rare. What comes piece by piece has no size. */
function sizeOf({ body }: HttpResponse): number {
  return typeof body === 'string' || body instanceof Uint8Array ? body.length : 0
}

function logUnforeseen(
  logger: Logger,
  { method, path }: HttpRequest,
  { id }: SeenRequest,
  err: unknown,
): void {
  logger.error({ method, path, requestId: id, err }, `${method} ${path} failed in an unforeseen way.`)
}

function notFound({ method, path }: HttpRequest): HttpResponse {
  if (isPeerPath(path)) return toProblem(nothingForPeers(path), { status: 404 })
  const error = new PortalError(
    'INVALID_ARGUMENT',
    `There is nothing at ${method} ${path.slice(0, 200)}. GET /openapi.json lists what there is.`,
  )
  return toProblem(error, { status: 404 })
}

/** Another broker takes this one for one of its cluster, or is newer than this one. */
function nothingForPeers(path: string): PortalError<'UNSUPPORTED'> {
  return new PortalError(
    'UNSUPPORTED',
    `This broker is in no cluster, or of a version that has no ${path.slice(0, 200)} for other brokers.`,
  )
}

/** OPTIONS asks what there is; any other method that is not there is refused with the same list. */
function allowedOnly({ method, path }: HttpRequest, methods: readonly string[]): HttpResponse {
  const allowed = methods.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one])).join(', ')
  if (method === 'OPTIONS') return { ...noContent(), headers: { allow: `${allowed}, OPTIONS` } }
  const error = new PortalError(
    'INVALID_ARGUMENT',
    `${path.slice(0, 200)} takes ${allowed}, not ${method.slice(0, 32)}.`,
  )
  return toProblem(error, { status: 405, headers: { allow: `${allowed}, OPTIONS` } })
}

/** The query's parameters by the route's schemas. Unknown ones are refused: a misspelt one would be ignored silently. */
function readQuery(route: Route, query: URLSearchParams): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const schemas = route.query ?? {}
  for (const [name, text] of query) {
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined
    if (schema === undefined) {
      const known = Object.keys(schemas).join(', ') || 'none'
      throw new PortalError(
        'INVALID_ARGUMENT',
        `There is no query parameter '${name.slice(0, 64)}' here. Known: ${known}.`,
      )
    }
    if (Object.hasOwn(values, name))
      throw new PortalError('INVALID_ARGUMENT', `The query parameter '${name}' is given more than once.`)
    const value = readValue(schema, text)
    checkSchema(schema, value, `The query parameter '${name}'`)
    values[name] = value
  }
  return values
}

function readValue(schema: Schema, text: string): unknown {
  if ((schema.type === 'integer' || schema.type === 'number') && /^-?\d+(\.\d+)?$/.test(text))
    return Number(text)
  if (schema.type === 'boolean' && (text === 'true' || text === '')) return true
  if (schema.type === 'boolean' && text === 'false') return false
  return text
}

function bodyOf(
  route: Route,
  request: HttpRequest,
  maxBytes: number,
  admission: Admission,
): Pick<Context, 'type' | 'bytes' | 'json'> {
  const type = (request.header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  const read = async (most = maxBytes) => {
    let counted = 0
    const body = await request.body(Math.min(most, maxBytes), (count) => {
      counted += count
      admission.takeBody(count)
    })
    if (body.length > counted) admission.takeBody(body.length - counted)
    return body
  }
  return {
    type,
    async bytes(most) {
      checkType(route, type)
      return read(most)
    },
    async json() {
      if (!route.bodyOptional) checkType(route, type)
      const body = await read()
      // Tools put a type on an empty body, too.
      if (body.length === 0 && route.bodyOptional) return undefined
      checkType(route, type)
      const value = parseJson(body)
      const schema = route.body?.[type]
      if (schema) checkSchema(schema, value, 'The body')
      return value
    },
  }
}

function checkType(route: Route, type: string): void {
  const types = Object.keys(route.body ?? {})
  if (types.includes(type) || (types.includes('*/*') && type !== '')) return
  const got = type === '' ? 'no content type' : `the content type ${type.slice(0, 64)}`
  const wanted = types.join(', ')
  throw new PortalError(
    'UNSUPPORTED',
    `The body has ${got}; ${wanted} can be read here. With curl: -H 'content-type: ${types[0] ?? 'application/json'}'.`,
  )
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

export function parseJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new PortalError('INVALID_ARGUMENT', 'The body is not UTF-8.')
  }
  checkJsonShape(bytes)
  try {
    return JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : ''
    throw new PortalError('INVALID_ARGUMENT', `The body is not JSON: ${why}`)
  }
}

/** The first of `types` if nothing is said; else the one that stands first in `accept`, by its quality. */
function preferred(accept: string | undefined, types: readonly string[]): string {
  if (accept === undefined) return types[0]!
  let best: string | undefined
  let most = 0
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';').map((one) => one.trim().toLowerCase())
    const given = parameters.find((one) => one.startsWith('q='))
    const quality = given === undefined ? 1 : Number(given.slice(2)) || 0
    const found = types.find(
      (type) => range === '*/*' || range === type || range === `${type.split('/')[0]}/*`,
    )
    if (found !== undefined && quality > most) {
      best = found
      most = quality
    }
  }
  return best ?? types[0]!
}
