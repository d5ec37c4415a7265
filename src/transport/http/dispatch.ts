import { isPortalError, PortalError } from '../../core/errors.js'
import type { Logger } from '../../protocol/connection.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type { BrokerService } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { type Admit, OPEN } from './admission.js'
import { type HttpHandler, type HttpRequest, type HttpResponse, noContent } from './exchange.js'
import { type AdmitPeer, isPeerPath } from './peer-admission.js'
import { toProblem } from './problem.js'
import { type ContextParts, RequestContext } from './request-context.js'
import { RequestWatch, type SeenRequest } from './request-watch.js'
import type { Route } from './route.js'
import { type Match, Router } from './router.js'
import { metaRoutes } from './routes/meta.js'

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
  const parts: ContextParts = { ...options, service, serverMetrics }
  // One function under way for each request that sleeps.
  return async (request) => {
    const seen = watch.begin(request)
    let admission = OPEN
    let answer: HttpResponse
    try {
      const found = findRoute(router, request)
      if ('route' in found) seen.route = found.route.path
      const isOpen = 'route' in found && found.route.open
      // Those who may not come in do not hear what there is, and what is not there is counted, too.
      if (!isOpen) admission = peers?.admit(request) ?? (await options.admit?.(request)) ?? OPEN
      seen.principal = admission.principal
      request.onceOver?.(admission)
      if ('route' in found) {
        answer = await found.route.handle(new RequestContext(parts, request, found, admission))
        admission.takeAnswer(sizeOf(answer))
      } else answer = found
    } catch (error) {
      if (!isPortalError(error)) logUnforeseen(options.logger, request, seen, error)
      answer = toProblem(error)
    }
    if (request.onceOver === undefined) admission.done()
    return watch.end(request, seen, answer)
  }
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
