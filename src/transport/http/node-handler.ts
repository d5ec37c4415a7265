import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { PortalError } from '../../core/errors.js'
import { bodyReadBefore, toProblem } from './problem.js'
import type { WebHandler } from './web-handler.js'

export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** What frameworks add to Node's request. */
interface FrameworkRequest extends IncomingMessage {
  /** Express: the URL before mounting took its path away. */
  readonly originalUrl?: string
}

/**
 * A handler for Node's own requests and responses, of one for the web's: for Express, Fastify and `node:http`. It never rejects.
 *
 * @example
 * app.use('/mq', toNodeHandler(createHandler(broker, { basePath: '/mq' })))      // Express, before express.json()
 */
export function toNodeHandler(handler: WebHandler): NodeHandler {
  return async (message, response) => {
    const caller = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) caller.abort(new PortalError('ABORTED', 'The caller has gone.'))
    })
    const request = toRequest(message, caller.signal)
    const answer = request === undefined ? notReadable(message) : await handler(request)
    if (response.destroyed) {
      await answer.body?.cancel().catch(() => {})
      return
    }
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    // What was not read of the request would be taken for the next one.
    if (!message.complete) response.once('finish', () => message.destroy())
    if (answer.body !== null) await pipe(answer.body, response)
    response.end()
  }
}

/** Undefined: no Request can say it. */
function toRequest(message: FrameworkRequest, signal: AbortSignal): Request | undefined {
  const method = message.method ?? 'GET'
  const hasBody = method !== 'GET' && method !== 'HEAD'
  try {
    return new Request(urlOf(message), {
      method,
      headers: headersOf(message),
      signal,
      ...(hasBody ? { body: bodyOf(message), duplex: 'half' } : {}),
    } as RequestInit)
  } catch {
    return undefined
  }
}

function urlOf(message: FrameworkRequest): URL {
  const path = message.originalUrl ?? message.url ?? '/'
  // The host is said by the caller, and used for nothing; a path of two slashes must not become one.
  return new URL(`http://localhost${path.startsWith('/') ? path : '/'}`)
}

function headersOf({ headers }: IncomingMessage): Headers {
  const all = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':')) continue
    for (const one of Array.isArray(value) ? value : [value]) all.append(name, one)
  }
  return all
}

/** A body that something has read already is one that fails: it must not be taken for an empty one. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  if (message.readableDidRead) {
    return new ReadableStream({
      pull(controller) {
        controller.error(bodyReadBefore())
      },
    })
  }
  return Readable.toWeb(message) as ReadableStream<Uint8Array>
}

function notReadable({ method, url = '' }: IncomingMessage): Response {
  const text = `${method} ${url.slice(0, 200)} is no request that can be served here.`
  const { status, headers, body } = toProblem(new PortalError('INVALID_ARGUMENT', text))
  return new Response(body as string, { status, headers })
}

/** Asks for the next piece when the one before has left: whoever is slow is waited for, whoever has gone ends it. */
async function pipe(body: ReadableStream<Uint8Array>, response: ServerResponse): Promise<void> {
  const reader = body.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  response.once('close', leave)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || response.destroyed) return
      await written(response, value)
    }
  } catch {
    // What was said so far cannot be unsaid: a connection that ends too early says that it is not all.
    response.destroy()
  } finally {
    response.off('close', leave)
  }
}

async function written(response: ServerResponse, piece: Uint8Array): Promise<void> {
  const left = new AbortController()
  const closed = once(response, 'close', { signal: left.signal }).catch(() => {})
  const flushed = new Promise<void>((resolve) => response.write(piece, () => resolve()))
  await Promise.race([flushed, closed])
  left.abort()
}
