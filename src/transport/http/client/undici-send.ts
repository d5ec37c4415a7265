import { type Dispatcher, Pool } from 'undici'
import { onAbort } from '../../../runtime/on-abort.js'
import type { Send, SendRequest, SendResponse } from './send.js'

/** What is said to servers that ask for more than a name: TLS, as `tls.connect` takes it. */
export interface ClientTls {
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: string | Uint8Array | undefined
  /** The client's own certificate and key, PEM, for servers that ask for one. */
  readonly cert?: string | Uint8Array | undefined
  readonly key?: string | Uint8Array | undefined
  /** The name that the server's certificate must have. @default the URL's host */
  readonly servername?: string | undefined
}

export interface UndiciSend {
  readonly send: Send
  /** Closes idle connections; what is under way is cut. */
  close(): Promise<void>
}

const CONTENT_TYPE = 'content-type'

/** Requests under way to one server that do not sleep; more of them wait their turn: 5,000 consumers that join at once are no reason for 5,000 connections more. */
const MOST_BRIEF = 256

/** A pool of connections for each server, kept alive; as many as there are requests under way, within reason. */
export function undiciSend(tls?: ClientTls): UndiciSend {
  // Those that sleep apart: to find a free connection a pool looks at those that are not.
  const waiting = new Map<string, Pool>()
  const brief = new Map<string, Pool>()
  const poolOf = ({ origin, waits }: SendRequest): Pool => {
    const pools = waits ? waiting : brief
    let pool = pools.get(origin)
    if (!pool) {
      const connect = { ...tls, timeout: 5_000, noDelay: true, keepAlive: true }
      pool = new Pool(origin, {
        connections: waits ? null : MOST_BRIEF,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        connect: connect as NonNullable<Pool.Options['connect']>,
      })
      pools.set(origin, pool)
    }
    return pool
  }
  return {
    send: (request) =>
      new Promise((resolve, reject) => new Exchange(request, resolve, reject).begin(poolOf(request))),
    async close() {
      const open = [...waiting.values(), ...brief.values()]
      waiting.clear()
      brief.clear()
      await Promise.all(open.map((pool) => pool.destroy()))
    },
  }
}

/**
 * One request by undici's own means, without the streams that its `request` builds: half the time of a small call. These are the methods by which it
 * hands over headers as they came; by the others it makes strings of all of them first.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: SendRequest
  readonly #resolve: (response: SendResponse) => void
  readonly #reject: (cause: unknown) => void
  readonly #forget: () => void
  #abort: ((error: Error) => void) | undefined
  #status = 0
  #type = ''
  #chunks: Buffer[] = []

  constructor(
    request: SendRequest,
    resolve: (response: SendResponse) => void,
    reject: (cause: unknown) => void,
  ) {
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
    this.#forget = onAbort(request.signal, () => this.#abort?.(new Error('aborted')))
  }

  begin(pool: Pool): void {
    const { origin, method, path, headers, body, timeout } = this.#request
    const options = {
      origin,
      method: method as Dispatcher.HttpMethod,
      path,
      headers: headers as Record<string, string>,
      body: body ?? null,
      headersTimeout: timeout,
      bodyTimeout: timeout,
    }
    pool.dispatch(options, this)
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort
    if (this.#request.signal?.aborted) abort(new Error('aborted'))
  }

  onHeaders(status: number, headers: readonly Buffer[]): boolean {
    this.#status = status
    this.#type = typeIn(headers)
    return true
  }

  onData(chunk: Buffer): boolean {
    const { onPiece } = this.#request
    if (onPiece !== undefined && this.#status === 200) onPiece(plain(chunk))
    else this.#chunks.push(chunk)
    return true
  }

  onComplete(): void {
    this.#forget()
    const chunks = this.#chunks
    const body = plain(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    this.#resolve({ status: this.#status, type: this.#type, body })
  }

  onError(error: Error): void {
    this.#forget()
    this.#reject(error)
  }
}

/** The content type among names and values. */
function typeIn(headers: readonly Buffer[]): string {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at]!
    if (name.length === CONTENT_TYPE.length && name.toString('latin1').toLowerCase() === CONTENT_TYPE)
      return headers[at + 1]!.toString('latin1')
  }
  return ''
}

/** Node's Buffers have other methods of the same names: what goes further in is bytes. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
