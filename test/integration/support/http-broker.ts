import { connect as connectSocket, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'
import { type HttpOptions, http } from '../../../src/http.js'
import { type Broker, createBroker } from '../../../src/index.js'
import { LogBook } from './broker.js'

export interface HttpBroker {
  readonly broker: Broker
  readonly url: string
  readonly port: number
  /** What the broker and its server had to say. */
  readonly log: LogBook
  /** A request, and its answer read. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** A connection of its own, on which anything can be written. */
  open(): RawConnection
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown
}

/** A broker in memory that is reached over HTTP, at a port of its own; it ends with the test. */
export async function serveBroker(options: Partial<HttpOptions> = {}): Promise<HttpBroker> {
  const log = new LogBook()
  const transport = http({ port: 0, logger: log, ...options })
  const broker = await createBroker({ directory: ':memory:', logger: log, transport })
  onTestFinished(() => broker.close())
  const url = broker.url!
  const port = Number(new URL(url).port)
  return {
    broker,
    url,
    port,
    log,
    ask: (method, path, body, headers) => ask(`${url}${path}`, method, body, headers),
    open: () => new RawConnection(connectSocket(port, '127.0.0.1')),
  }
}

async function ask(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A socket under TLS to a port of this machine. */
export function openTls(port: number, options: ConnectionOptions): RawConnection {
  return new RawConnection(connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options }))
}

/** A connection on which a test writes what it likes, and keeps what comes back. */
export class RawConnection {
  readonly #socket: Socket
  #received = ''
  #closed = false
  readonly #changes = new Set<() => void>()

  /** `ends`: whether it ends with the test, if not before. */
  constructor(socket: Socket, ends = true) {
    this.#socket = socket
    const changed = () => {
      for (const check of this.#changes) check()
    }
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1')
      changed()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      changed()
    })
    if (ends) onTestFinished(() => void socket.destroy())
  }

  get received(): string {
    return this.#received
  }

  get isClosed(): boolean {
    return this.#closed
  }

  write(bytes: string | Uint8Array): this {
    if (!this.#closed) this.#socket.write(bytes)
    return this
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves when the server has closed it, with all that came; rejects after `limit` milliseconds. */
  async closed(limit = 10_000): Promise<string> {
    await this.#until(() => this.#closed, limit, 'is not closed')
    return this.#received
  }

  /** Resolves with all that came once some of it matches; rejects when the connection closes without. */
  async said(pattern: RegExp, limit = 10_000): Promise<string> {
    await this.#until(() => pattern.test(this.#received) || this.#closed, limit, `never said ${pattern}`)
    if (pattern.test(this.#received)) return this.#received
    throw new Error(`The connection was closed and never said ${pattern}; it said: ${this.#received}`)
  }

  #until(holds: () => boolean, limit: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!holds()) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(
          new Error(`After ${limit} ms the connection ${what}; it said: ${this.#received.slice(0, 500)}`),
        )
      }, limit)
      const end = () => {
        clearTimeout(timer)
        this.#changes.delete(check)
      }
      this.#changes.add(check)
      check()
    })
  }
}
