import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { PortalError } from '../../core/errors.js'
import type { Logger } from '../../protocol/connection.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type { HttpHandler, HttpResponse } from './exchange.js'
import type { ResolvedLimits } from './limits.js'
import { LINGER, writeAnswer } from './node-answer.js'
import { NodeRequest } from './node-request.js'
import { toProblem, urlTooLong } from './problem.js'

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
/** Connections above the limit that are still told so; any more are cut. */
const TOLD = 64
/** Connections that wait to be taken, as far as the system allows: thousands of consumers come at the same time. */
const BACKLOG = 4_096
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
  function forget(this: Socket): void {
    silent.delete(this)
  }
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    silent.add(socket)
    socket.on('close', forget)
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
    server.listen({ port: options.port, host: options.host, backlog: BACKLOG }, resolve)
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
  readonly #lines = new WeakMap<Socket, Line>()
  readonly #refused = new WeakSet<Socket>()

  constructor(handler: HttpHandler, options: NodeServerOptions, server: Server) {
    this.#handler = handler
    this.#options = options
    this.#server = server
  }

  connected(socket: Socket): void {
    socket.on('close', this.#disconnected)
    if (++this.#connections <= this.#options.limits.connections) return
    const key = keyOf(socket)
    this.#above.add(key)
    socket.once('close', () => this.#above.delete(key))
  }

  readonly #disconnected = (): void => {
    this.#connections--
  }

  /** Never rejects. */
  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = new NodeRequest(message)
    const line = this.#lineOf(message.socket)
    line.underWay = [...line.underWay, response]
    response.on('close', () => {
      line.underWay = line.underWay.filter((other) => other !== response)
      request.closed(response)
    })
    if (line.underWay.length > PIPELINED) {
      message.socket.destroy()
      return
    }
    try {
      const answer = this.#refusal(message) ?? (await this.#handler(request))
      if (request.hasGone) {
        answer.undo?.()
        return
      }
      // Whoever waits longest for a stop is one who keeps its connection.
      if (!this.#server.listening || this.#isAbove(message.socket)) response.setHeader('connection', 'close')
      request.answered(answer.undo)
      const { answerTimeout } = this.#options.limits
      await writeAnswer(message, response, answer, answerTimeout)
    } catch (err) {
      this.#options.logger.error({ err }, 'An answer could not be written; its connection was cut.')
      response.destroy()
    }
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket)
    if (known) return known
    const line = { underWay: [] }
    this.#lines.set(socket, line)
    return line
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
    for (const { req } of this.#lines.get(socket)?.underWay ?? []) req.destroy()
  }

  /** Whether what is written now would be read as the answer to what was wrong. */
  #isSilent(socket: Socket): boolean {
    const { underWay } = this.#lineOf(socket)
    return underWay.every(({ headersSent, req }) => !headersSent && !req.complete)
  }

  #isAbove(socket: Socket): boolean {
    return this.#above.size > 0 && this.#above.has(keyOf(socket))
  }

  #refusal({ socket, url = '/' }: IncomingMessage): HttpResponse | undefined {
    const { urlLength, connections } = this.#options.limits
    if (this.#isAbove(socket)) {
      const error = new PortalError(
        'QUOTA_EXCEEDED',
        `The broker has more than ${connections} connections. Try again later.`,
      )
      return toProblem(error, { status: 503 })
    }
    return url.length <= urlLength ? undefined : urlTooLong(url.length, urlLength)
  }
}

/** A connection on which something was asked. */
interface Line {
  /** The answers that are not complete yet, in their order. */
  underWay: readonly ServerResponse[]
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
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
