import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { PortalError } from '../../core/errors.js'
import { CallEnd, type CallSignal } from '../../runtime/call-signal.js'
import type { HttpRequest, Peer } from './exchange.js'
import { bodyTooLong } from './problem.js'

/** Nobody changes a query. */
const NO_QUERY = new URLSearchParams()

/**
 * A request of Node's server, and whoever waits for its answer. Thousands of them sleep at a time: what each holds is in its fields, and made when it is
 * asked for.
 */
export class NodeRequest implements HttpRequest {
  readonly method: string
  readonly path: string
  readonly #search: string
  readonly #message: IncomingMessage
  #end: CallEnd | undefined
  #undo: (() => void) | undefined
  #told: { done(): void } | undefined
  #isOver = false
  /** Whether the caller has left before its answer was complete. */
  hasGone = false

  constructor(message: IncomingMessage) {
    const { method = 'GET', url: target = '/' } = message
    // Proxies are asked with whole URLs, and servers must take them as well.
    const url = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '')
    const mark = url.indexOf('?')
    this.method = method
    this.path = (mark < 0 ? url : url.slice(0, mark)) || '/'
    this.#search = mark < 0 ? '' : url.slice(mark + 1)
    this.#message = message
  }

  get query(): URLSearchParams {
    return this.#search === '' ? NO_QUERY : new URLSearchParams(this.#search)
  }

  get peer(): Peer {
    return new NodePeer(this.#message.socket)
  }

  get signal(): CallSignal {
    if (this.#end !== undefined) return this.#end
    this.#end = new CallEnd()
    if (this.hasGone) this.#end.abort(callerGone())
    return this.#end
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  body(limit: number, onBytes?: (count: number) => void): Promise<Uint8Array> {
    const message = this.#message
    if (Number(message.headers['content-length'] ?? 0) > limit) return Promise.reject(bodyTooLong(limit))
    if (message.destroyed) return Promise.reject(callerGone())
    return readBody(message, limit, onBytes)
  }

  onceOver(told: { done(): void }): void {
    if (this.#isOver) told.done()
    else this.#told = told
  }

  /** The answer is on its way: `undo` takes back what it grants. */
  answered(undo: (() => void) | undefined): void {
    this.#undo = undo
  }

  /** The answer has gone out, or cannot any more. */
  closed({ writableFinished }: ServerResponse): void {
    if (!writableFinished) {
      this.hasGone = true
      this.#end?.abort(callerGone())
      this.#undo?.()
    }
    this.#isOver = true
    this.#told?.done()
  }
}

class NodePeer implements Peer {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get address(): string | undefined {
    return this.#socket.remoteAddress
  }

  get certificate(): string | undefined {
    const tls = this.#socket as TLSSocket
    if (tls.authorized !== true) return undefined
    const name = tls.getPeerCertificate().subject?.CN as string | string[] | undefined
    // Of two names nobody knows which was meant.
    return Array.isArray(name) ? undefined : name
  }
}

/** Nothing of it stays with the message, which lives as long as its answer is awaited. */
function readBody(
  message: IncomingMessage,
  limit: number,
  onBytes: ((count: number) => void) | undefined,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let length = 0
    const leave = () => {
      message.off('data', take)
      message.off('end', end)
      message.off('error', lost)
      message.off('close', lost)
    }
    const stop = (error: unknown) => {
      leave()
      chunks = []
      reject(error)
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) return stop(bodyTooLong(limit))
      try {
        onBytes?.(chunk.length)
      } catch (error) {
        return stop(error)
      }
      chunks.push(chunk)
    }
    const end = () => {
      leave()
      resolve(plain(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)))
    }
    const lost = () => stop(callerGone())
    message.on('data', take)
    message.on('end', end)
    message.on('error', lost)
    message.on('close', lost)
  })
}

/** The bytes as they are everywhere: a Buffer's `slice` does not copy. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

function callerGone(): PortalError<'ABORTED'> {
  return new PortalError('ABORTED', 'The caller has gone.')
}
