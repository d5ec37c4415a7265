import { isPortalError, PortalError } from '../../core/errors.js'
import {
  CONNECTION,
  type Connection,
  type Logger,
  SERVICE,
  type Servable,
} from '../../protocol/connection.js'
import type { BrokerService, RemoteService } from '../../protocol/service.js'
import { createAdmission } from './admission.js'
import { type HttpAuth, resolveAuth } from './auth.js'
import { createDispatcher, type DispatchOptions } from './dispatch.js'
import type { HttpHandler, HttpRequest, HttpResponse } from './exchange.js'
import { resolveLimits } from './limits.js'
import { bodyReadBefore, bodyTooLong, toProblem, urlTooLong } from './problem.js'
import { serviceRoutes } from './routes/routes.js'

export interface HandlerOptions {
  /** The path below which it is mounted, such as `/mq`. @default '': at the root */
  readonly basePath?: string | undefined
  /** The largest body of a request, in bytes. At least 1. @default 32 MiB */
  readonly maxBodyBytes?: number | undefined
  /** Who may come in and do what, as in `http`. @default everybody that the server lets through may do everything */
  readonly auth?: HttpAuth | undefined
  /** Requests that fail in unforeseen ways. @default the broker's logger */
  readonly logger?: Logger | undefined
}

/** What those add who know more of the caller than a Request says. */
export interface HandlerParts {
  readonly admit?: DispatchOptions['admit']
}

/** What serves requests in frameworks and other servers. */
export type WebHandler = (request: Request) => Promise<Response>

const MAX_BODY = 32 << 20
const MAX_URL = 4_096

/**
 * Serves a broker, or what a connection leads to, wherever requests and responses of the web's standard are spoken: mount it in the server
 * that there is already. It never rejects: errors are answers. Who may come in is the server's to decide, before it calls
 * the handler, or that of `auth`; web pages of other origins are the server's to refuse, too.
 *
 * Throws INVALID_ARGUMENT for options that cannot be.
 *
 * @example
 * const handler = createHandler(broker, { basePath: '/mq' })
 * app.all('/mq/*', (context) => handler(context.req.raw))      // Hono
 * export { handler as GET, handler as POST }                   // Next.js
 */
export function createHandler(broker: Connection | Servable, options: HandlerOptions = {}): WebHandler {
  const { auth, ...rest } = options
  if (auth === undefined) return assembleHandler(broker, rest)
  const { side } = serviceOf(broker)
  const logger = options.logger ?? side.logger
  const admit = createAdmission(resolveAuth(auth), resolveLimits(), { clock: side.runtime.clock, logger })
  return assembleHandler(broker, rest, { admit })
}

/** @internal */
export function assembleHandler(
  broker: Connection | Servable,
  options: Omit<HandlerOptions, 'auth'>,
  { admit }: HandlerParts = {},
): WebHandler {
  const { basePath, maxBodyBytes } = resolveOptions(options)
  const { service, side } = serviceOf(broker)
  const { runtime, logger } = side
  const handler = createDispatcher(service, {
    routes: serviceRoutes,
    basePath,
    runtime,
    logger: options.logger ?? logger,
    maxBodyBytes,
    admit: SERVICE in broker ? admit : admit && admitWithoutRules(admit),
  })
  return (request) => serve(handler, request, basePath)
}

function serviceOf(broker: Connection | Servable): {
  readonly service: BrokerService
  readonly side: Connection[typeof CONNECTION]
} {
  if (typeof broker !== 'object' || broker === null || !(CONNECTION in broker)) {
    throw invalid(
      'createHandler takes a broker, as createBroker makes it, or a connection, as connect makes it.',
    )
  }
  const side = broker[CONNECTION] as Connection[typeof CONNECTION]
  return { service: SERVICE in broker ? (broker as Servable)[SERVICE] : withStreams(side.service), side }
}

/** A connection may be one without streams: whoever asks it for one hears so. */
function withStreams(service: RemoteService): BrokerService {
  if (service.receiveStream !== undefined) return service as BrokerService
  return {
    ...service,
    receiveStream() {
      throw new PortalError('UNSUPPORTED', 'This connection carries no streams.')
    },
    async addCredit() {},
    async endStream() {},
  }
}

/** Rules per principal are kept by the broker itself; a connection asks it in its own name. */
function admitWithoutRules(admit: NonNullable<DispatchOptions['admit']>): typeof admit {
  return async (request) => {
    const admission = await admit(request)
    if (admission.authorize === undefined) return admission
    admission.done()
    throw new PortalError(
      'FORBIDDEN',
      'Rules per principal cannot be kept through a connection: serve the broker itself, with its auth.',
    )
  }
}

async function serve(handler: HttpHandler, request: Request, basePath: string): Promise<Response> {
  const caller = new AbortController()
  const leave = () => caller.abort(new PortalError('ABORTED', 'The caller has gone.'))
  if (request.signal.aborted) leave()
  else request.signal.addEventListener('abort', leave, { once: true })
  const answer = await handle(handler, request, basePath, caller.signal)
  if (caller.signal.aborted) answer.undo?.()
  const { status } = answer
  const headers = located(answer.headers, basePath)
  if (request.method === 'HEAD') return new Response(null, { status, headers })
  return new Response(toBody(answer, caller), { status, headers })
}

async function handle(
  handler: HttpHandler,
  request: Request,
  basePath: string,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { pathname, search, searchParams } = new URL(request.url)
  if (pathname.length + search.length > MAX_URL) return urlTooLong(pathname.length + search.length, MAX_URL)
  if (pathname !== basePath && !pathname.startsWith(`${basePath}/`)) return notMounted(pathname, basePath)
  const seen: HttpRequest = {
    method: request.method,
    path: pathname.slice(basePath.length) || '/',
    query: searchParams,
    header: (name) => request.headers.get(name) ?? undefined,
    body: (limit, onBytes) => readBody(request, limit, onBytes),
    signal,
    peer: { address: undefined },
  }
  return handler(seen)
}

function notMounted(path: string, basePath: string): HttpResponse {
  const text = `There is nothing at ${path.slice(0, 200)}: the broker is mounted below ${basePath}.`
  return toProblem(new PortalError('INVALID_ARGUMENT', text), { status: 404 })
}

/** Locations are said from the root of the broker; others see it where it is mounted. */
function located(headers: HttpResponse['headers'], basePath: string): Record<string, string> {
  const { location } = headers
  return location === undefined ? { ...headers } : { ...headers, location: basePath + location }
}

async function readBody(
  request: Request,
  limit: number,
  onBytes: (count: number) => void = () => {},
): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw bodyTooLong(limit)
  if (request.bodyUsed) throw bodyReadBefore()
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = (request.body as ReadableStream<Uint8Array>).getReader()
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw isPortalError(cause) ? cause : new PortalError('ABORTED', 'The caller has gone.', { cause })
    })
    if (done) return concatenate(chunks, length)
    length += value.length
    onBytes(value.length)
    if (length > limit) {
      reader.cancel().catch(() => {})
      throw bodyTooLong(limit)
    }
    chunks.push(value)
  }
}

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

type Body = ConstructorParameters<typeof Response>[0]

function toBody(answer: HttpResponse, caller: AbortController): Body {
  const { body, undo } = answer
  if (body === undefined) return null
  if (typeof body === 'string' || body instanceof Uint8Array)
    return undo === undefined ? (body as Body) : undoneUnread(encode(body), undo, caller.signal)
  return streamed(body, undo, caller)
}

/**
 * An answer that grants something. A Response does not say whether it arrived; it does show when nobody reads it to its end: then
 * what it grants is taken back.
 */
function undoneUnread(bytes: Uint8Array, undo: () => void, signal: AbortSignal): ReadableStream<Uint8Array> {
  let isOver = signal.aborted
  let isHandedOver = false
  const giveBack = () => {
    if (isOver) return
    isOver = true
    undo()
  }
  signal.addEventListener('abort', giveBack, { once: true })
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!isHandedOver) {
          isHandedOver = true
          controller.enqueue(bytes)
          return
        }
        // Whoever wants more has dealt with what there was.
        isOver = true
        signal.removeEventListener('abort', giveBack)
        controller.close()
      },
      cancel: giveBack,
    },
    // Nothing is taken out before somebody asks for it.
    { highWaterMark: 0 },
  )
}

/** What goes on until the caller leaves: by its signal, or by reading no more. */
function streamed(
  body: AsyncIterable<string> | AsyncIterable<Uint8Array>,
  undo: (() => void) | undefined,
  caller: AbortController,
): ReadableStream<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done) controller.close()
        else controller.enqueue(encode(value))
      },
      async cancel() {
        caller.abort(new PortalError('ABORTED', 'The caller has gone.'))
        undo?.()
        await pieces.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

const utf8 = new TextEncoder()

function encode(piece: string | Uint8Array): Uint8Array {
  return typeof piece === 'string' ? utf8.encode(piece) : piece
}

function resolveOptions(options: HandlerOptions): {
  readonly basePath: string
  readonly maxBodyBytes: number
} {
  const known = ['basePath', 'maxBodyBytes', 'auth', 'logger']
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw invalid(`createHandler knows no option ${name}. It knows: ${known.join(', ')}.`)
  }
  const { basePath = '', maxBodyBytes = MAX_BODY } = options
  if (typeof basePath !== 'string' || !/^(\/[A-Za-z0-9._~-]+)*\/?$/.test(basePath))
    throw invalid("basePath must be a path such as '/mq', of letters, digits and . _ ~ -.")
  if (!Number.isSafeInteger(maxBodyBytes) || maxBodyBytes < 1)
    throw invalid('maxBodyBytes must be a whole number of at least 1.')
  return { basePath: basePath.replace(/\/$/, ''), maxBodyBytes }
}

function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}
