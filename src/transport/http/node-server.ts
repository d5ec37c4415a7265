import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { PortalError } from '../../core/errors.js'
import type { Logger } from '../../protocol/connection.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type { HttpHandler, HttpRequest, HttpResponse } from './exchange.js'
import type { ResolvedLimits } from './limits.js'
import { toProblem } from './problem.js'

export interface NodeServerOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsOptions | undefined
  readonly limits: Omit<ResolvedLimits, 'bodyBytes' | 'requestsPerSecond' | 'bytesInFlight'>
  /** Answers that fail in unforeseen ways. */
  readonly logger: Logger
}

export interface NodeServer {
  readonly port: number
  /** How many are open. */
  connections(): Promise<number>
  /** Takes no more connections, lets answers under way go out, and closes the rest. */
  close(): Promise<void>
}

/** How many connections are open, as a metric. */
export async function connectionsOf(server: NodeServer | undefined): Promise<MetricFamily> {
  const value = (await server?.connections()) ?? 0
  return {
    name: 'portal_mq_http_connections',
    help: 'Connections that are open.',
    type: 'gauge',
    samples: [{ labels: {}, value }],
  }
}

/** Milliseconds that answers under way have when the server closes. */
const GRACE = 2_000
/** Milliseconds for which the rest of a refused request is taken and thrown away, so that its sender comes to read why. */
const LINGER = 1_000
/** Connections above the limit that are still told so; any more are cut. */
const TOLD = 64
/** Requests of one connection that may be under way: those who send on without an answer would have no limit. */
const PIPELINED = 16

/** Serves a handler over HTTP/1.1 with Node's own server. Rejects with INVALID_ARGUMENT when the address cannot be had. */
export async function listenNode(handler: HttpHandler, options: NodeServerOptions): Promise<NodeServer> {
  const { headerBytes, headersTimeout, requestTimeout, connections } = options.limits
  const settings = {
    maxHeaderSize: headerBytes,
    headersTimeout,
    requestTimeout,
    connectionsCheckingInterval: Math.max(100, Math.min(5_000, headersTimeout / 4)),
    keepAliveTimeout: 65_000,
    noDelay: true,
  }
  const server = options.tls
    ? createTlsServer({ handshakeTimeout: headersTimeout, ...options.tls, ...settings })
    : createServer(settings)
  server.maxConnections = connections + TOLD
  const desk = new Desk(handler, options, server)
  server.on('connection', (socket: Socket) => desk.connected(socket))
  const silent = new Set<Socket>()
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', (message, response) => {
    silent.delete(message.socket)
    void desk.serve(message, response)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
    desk.refuseGarbage(error, socket),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(options, cause)))
    server.listen(options.port, options.host, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', () => {})
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => new Promise((resolve) => server.getConnections((_, count) => resolve(count ?? 0))),
    close: () => closeServer(server, silent),
  }
}

/** Takes requests in and gives answers out. */
class Desk {
  readonly #handler: HttpHandler
  readonly #options: NodeServerOptions
  readonly #server: Server
  #connections = 0
  /** Sockets above the limit: by their port, since that of TLS lies within another. */
  readonly #above = new Set<string>()
  /** Requests under way, by connection. */
  readonly #underWay = new WeakMap<Socket, Set<ServerResponse>>()
  readonly #refused = new WeakSet<Socket>()

  constructor(handler: HttpHandler, options: NodeServerOptions, server: Server) {
    this.#handler = handler
    this.#options = options
    this.#server = server
  }

  connected(socket: Socket): void {
    const key = keyOf(socket)
    if (++this.#connections > this.#options.limits.connections) this.#above.add(key)
    socket.once('close', () => {
      this.#connections--
      this.#above.delete(key)
    })
  }

  /** Never rejects. */
  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = message
    const underWay = this.#underWay.get(socket) ?? new Set()
    this.#underWay.set(socket, underWay.add(response))
    response.once('close', () => underWay.delete(response))
    if (underWay.size > PIPELINED) {
      socket.destroy()
      return
    }
    try {
      await this.#answer(message, response)
    } catch (err) {
      this.#options.logger.error({ err }, 'An answer could not be written; its connection was cut.')
      response.destroy()
    }
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const caller = new Caller(response)
    const url = message.url ?? '/'
    const answer = this.#refusal(message, url) ?? (await this.#handler(toRequest(message, url, caller)))
    if (caller.hasGone) {
      answer.undo?.()
      return
    }
    // Whoever waits longest for a stop is one who keeps its connection.
    if (!this.#server.listening || this.#above.has(keyOf(message.socket)))
      response.setHeader('connection', 'close')
    caller.answered(answer.undo)
    response.writeHead(answer.status, answer.headers)
    if (!message.complete) lingerAfter(message, response)
    await writeBody(message, response, answer, this.#options.limits.answerTimeout)
  }

  /** What is no HTTP, too long or too slow gets an answer, if it can be given one, and its connection is closed. */
  refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
    // More of the same.
    if (this.#refused.has(socket)) return
    const isHttp = error.code?.startsWith('HPE_') || error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (!isHttp || !socket.writable || !this.#isSilent(socket)) {
      socket.destroy()
      return
    }
    this.#refused.add(socket)
    const { status, headers, body } = garbageAnswer(error.code)
    const lines = Object.entries({ ...headers, connection: 'close', 'content-length': String(body).length })
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`)
    const timer = setTimeout(() => socket.destroy(), LINGER)
    socket.once('close', () => clearTimeout(timer))
    // A request that came too slowly must not come to its end now.
    for (const { req } of this.#underWay.get(socket) ?? []) req.destroy()
  }

  /** Whether what is written now would be read as the answer to what was wrong. */
  #isSilent(socket: Socket): boolean {
    const underWay = [...(this.#underWay.get(socket) ?? [])]
    return underWay.every(({ headersSent, req }) => !headersSent && !req.complete)
  }

  #refusal(message: IncomingMessage, url: string): HttpResponse | undefined {
    const { urlLength, connections } = this.#options.limits
    if (this.#above.has(keyOf(message.socket))) {
      const error = new PortalError(
        'QUOTA_EXCEEDED',
        `The broker has more than ${connections} connections. Try again later.`,
      )
      return toProblem(error, { status: 503 })
    }
    if (url.length <= urlLength) return undefined
    const error = new PortalError(
      'INVALID_ARGUMENT',
      `The URL has ${url.length} characters, at most ${urlLength} are taken.`,
    )
    return toProblem(error, { status: 414 })
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Takes what still comes of a request that is answered already, for a while: a connection that is cut loses the answer, too. */
function lingerAfter(message: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    const timer = setTimeout(() => message.destroy(), LINGER)
    message.once('close', () => clearTimeout(timer))
    message.removeAllListeners('data')
    message.resume()
  })
}

/** Whoever waits for an answer: notices when they have gone. */
class Caller {
  #controller: AbortController | undefined
  #undo: (() => void) | undefined
  readonly #response: ServerResponse
  hasGone = false

  constructor(response: ServerResponse) {
    this.#response = response
    response.once('close', () => {
      if (response.writableFinished) return
      this.hasGone = true
      this.#controller?.abort(callerGone())
      this.#undo?.()
    })
  }

  onceOver(callback: () => void): void {
    if (this.#response.closed) callback()
    else this.#response.once('close', callback)
  }

  /** Made when it is asked for: most requests are answered before anybody could leave. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.hasGone) this.#controller.abort(callerGone())
    return this.#controller.signal
  }

  answered(undo: (() => void) | undefined): void {
    this.#undo = undo
  }
}

function toRequest(message: IncomingMessage, target: string, caller: Caller): HttpRequest {
  // Proxies are asked with whole URLs, and servers must take them as well.
  const url = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '')
  const mark = url.indexOf('?')
  return {
    method: message.method ?? 'GET',
    path: (mark < 0 ? url : url.slice(0, mark)) || '/',
    get query() {
      return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    },
    header(name) {
      const value = message.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: (limit, onBytes) => readBody(message, limit, onBytes),
    onceOver: (callback) => caller.onceOver(callback),
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
  const name = tls.getPeerCertificate().subject?.CN as string | string[] | undefined
  // Of two names nobody knows which was meant.
  return Array.isArray(name) ? undefined : name
}

function readBody(
  message: IncomingMessage,
  limit: number,
  onBytes: ((count: number) => void) | undefined,
): Promise<Uint8Array> {
  const announced = Number(message.headers['content-length'] ?? 0)
  if (announced > limit) return Promise.reject(tooLarge(limit))
  if (message.destroyed) return Promise.reject(callerGone())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = (error: unknown) => {
      message.removeAllListeners('data')
      chunks.length = 0
      reject(error)
    }
    message.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) return stop(tooLarge(limit))
      try {
        onBytes?.(chunk.length)
      } catch (error) {
        return stop(error)
      }
      chunks.push(chunk)
    })
    message.once('end', () =>
      resolve(plain(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length))),
    )
    message.once('error', () => stop(callerGone()))
    // Every message closes; an error made for each would cost more than reading it.
    message.once('close', () => {
      if (!message.readableEnded) stop(callerGone())
    })
  })
}

/** The bytes as they are everywhere: a Buffer's `slice` does not copy. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

function callerGone(): PortalError<'ABORTED'> {
  return new PortalError('ABORTED', 'The caller has gone.')
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
  { body }: HttpResponse,
  timeout: number,
): Promise<void> {
  const { socket } = message
  // Node ends a socket on which nothing moves for so long; it has a time of its own for those that rest between requests.
  const hurry = (limit: number) => socket.setTimeout(limit)
  if (body === undefined || message.method === 'HEAD') response.end()
  else if (typeof body === 'string' || body instanceof Uint8Array) {
    hurry(timeout)
    response.end(body)
  } else {
    for await (const piece of body) {
      if (response.destroyed) break
      if (response.write(piece)) continue
      hurry(timeout)
      await drained(response)
      // What comes piece by piece may be silent for longer.
      hurry(0)
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

function garbageAnswer(code: string | undefined): HttpResponse {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const error = new PortalError('INVALID_ARGUMENT', 'The headers are longer than is taken here.')
    return toProblem(error, { status: 431 })
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const error = new PortalError('TIMEOUT', 'The request did not come to its end in time.')
    return toProblem(error, { status: 408 })
  }
  return toProblem(new PortalError('INVALID_ARGUMENT', 'This is no HTTP that can be understood.'))
}

function cannotListen({ host, port }: NodeServerOptions, cause: Error): PortalError<'INVALID_ARGUMENT'> {
  const { code } = cause as NodeJS.ErrnoException
  const why =
    code === 'EADDRINUSE' ? 'another process listens there. Choose another port, or 0 for any' : cause.message
  return new PortalError('INVALID_ARGUMENT', `Listening at ${host}:${port} is not possible: ${why}.`, {
    cause,
  })
}

/** `silent`: connections on which nothing was asked yet. To Node they are not idle, and clients open some ahead. */
function closeServer(server: Server, silent: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
    for (const socket of silent) socket.destroy()
  })
}
