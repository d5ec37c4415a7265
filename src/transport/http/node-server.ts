import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { PortalError } from '../../core/errors.js'
import type { HttpHandler, HttpRequest, HttpResponse } from './exchange.js'
import { toProblem } from './problem.js'

export interface NodeServerOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsOptions | undefined
  /** Connections at the same time; more are closed at once. */
  readonly maxConnections: number
  /** Bytes of all headers of a request. */
  readonly maxHeaderBytes: number
  /** Characters of the path with its query. */
  readonly maxUrlLength: number
  /** Milliseconds within which the headers, and the whole request, must have come. */
  readonly headersTimeout: number
  readonly requestTimeout: number
}

export interface NodeServer {
  readonly port: number
  /** Takes no more connections, lets answers under way go out, and closes the rest. */
  close(): Promise<void>
}

/** Milliseconds that answers under way have when the server closes. */
const GRACE = 2_000

/** Serves a handler over HTTP/1.1 with Node's own server. Rejects with INVALID_ARGUMENT when the address cannot be had. */
export async function listenNode(handler: HttpHandler, options: NodeServerOptions): Promise<NodeServer> {
  const limits = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.headersTimeout,
    requestTimeout: options.requestTimeout,
    connectionsCheckingInterval: Math.max(250, Math.min(5_000, options.headersTimeout / 4)),
    keepAliveTimeout: 65_000,
    noDelay: true,
  }
  const server = options.tls ? createTlsServer({ ...options.tls, ...limits }) : createServer(limits)
  server.maxConnections = options.maxConnections
  server.on('request', (message, response) => void serve(handler, options, server, message, response))
  server.on('clientError', refuseGarbage)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(options, cause)))
    server.listen(options.port, options.host, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', () => {})
  return { port: (server.address() as AddressInfo).port, close: () => closeServer(server) }
}

async function serve(
  handler: HttpHandler,
  { maxUrlLength }: NodeServerOptions,
  server: Server,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const caller = new Caller(response)
  const url = message.url ?? '/'
  const answer =
    url.length > maxUrlLength
      ? toProblem(
          new PortalError(
            'INVALID_ARGUMENT',
            `The URL has ${url.length} characters, at most ${maxUrlLength} are taken.`,
          ),
          { status: 414 },
        )
      : await handler(toRequest(message, url, caller))
  if (caller.hasGone) {
    answer.undo?.()
    return
  }
  // Whoever waits longest for a stop is one who keeps its connection.
  if (!server.listening) response.setHeader('connection', 'close')
  caller.answered(answer.undo)
  response.writeHead(answer.status, answer.headers)
  await writeBody(message, response, answer)
}

/** Whoever waits for an answer: notices when they have gone. */
class Caller {
  #controller: AbortController | undefined
  #undo: (() => void) | undefined
  hasGone = false

  constructor(response: ServerResponse) {
    response.once('close', () => {
      if (response.writableFinished) return
      this.hasGone = true
      this.#controller?.abort(new PortalError('ABORTED', 'The caller has gone.'))
      this.#undo?.()
    })
  }

  /** Made when it is asked for: most requests are answered before anybody could leave. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.hasGone) this.#controller.abort(new PortalError('ABORTED', 'The caller has gone.'))
    return this.#controller.signal
  }

  answered(undo: (() => void) | undefined): void {
    this.#undo = undo
  }
}

function toRequest(message: IncomingMessage, url: string, caller: Caller): HttpRequest {
  const mark = url.indexOf('?')
  return {
    method: message.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    get query() {
      return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    },
    header(name) {
      const value = message.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: (limit) => readBody(message, limit),
    get signal() {
      return caller.signal
    },
    peer: {
      address: message.socket.remoteAddress,
      get certificate() {
        return verifiedName(message.socket)
      },
    },
  }
}

function verifiedName(socket: Socket): string | undefined {
  const tls = socket as TLSSocket
  if (tls.authorized !== true) return undefined
  const name = tls.getPeerCertificate().subject?.CN
  return Array.isArray(name) ? name[0] : name
}

function readBody(message: IncomingMessage, limit: number): Promise<Uint8Array> {
  const announced = Number(message.headers['content-length'] ?? 0)
  if (announced > limit) return Promise.reject(tooLarge(limit))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    message.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else {
        message.removeAllListeners('data')
        reject(tooLarge(limit))
      }
    })
    message.once('end', () => {
      const { buffer, byteOffset } = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)
      resolve(new Uint8Array(buffer, byteOffset, length))
    })
    message.once('error', () => reject(new PortalError('ABORTED', 'The caller has gone.')))
  })
}

function tooLarge(limit: number): PortalError<'MESSAGE_TOO_LARGE'> {
  return new PortalError(
    'MESSAGE_TOO_LARGE',
    `The body is longer than the ${limit} bytes that are taken here.`,
  )
}

async function writeBody(
  message: IncomingMessage,
  response: ServerResponse,
  answer: HttpResponse,
): Promise<void> {
  const { body } = answer
  // What was not read of the request would be taken for the next one.
  if (!message.complete) response.once('finish', () => message.destroy())
  if (body === undefined || message.method === 'HEAD') response.end()
  else if (typeof body === 'string' || body instanceof Uint8Array) response.end(body)
  else {
    for await (const piece of body) {
      if (response.destroyed) break
      if (!response.write(piece)) await drained(response)
    }
    response.end()
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

/** What is no HTTP, too long or too slow gets a plain answer, and its connection is closed. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout']
        : [400, 'Bad Request']
  socket.end(`HTTP/1.1 ${status} ${text}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

function cannotListen({ host, port }: NodeServerOptions, cause: Error): PortalError<'INVALID_ARGUMENT'> {
  const { code } = cause as NodeJS.ErrnoException
  const why =
    code === 'EADDRINUSE' ? 'another process listens there. Choose another port, or 0 for any' : cause.message
  return new PortalError('INVALID_ARGUMENT', `Listening at ${host}:${port} is not possible: ${why}.`, {
    cause,
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
