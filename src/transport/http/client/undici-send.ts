import { type Dispatcher, Pool } from 'undici'
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

/** Requests under way to one server that do not sleep; more of them wait their turn: 5,000 consumers that join at once are no reason for 5,000 connections more. */
const MOST_BRIEF = 256

/** A pool of connections for each server, kept alive; as many as there are requests under way, within reason. */
export function undiciSend(tls?: ClientTls): UndiciSend {
  const pools = new Map<string, Pool>()
  // Those that sleep apart: to find a free connection a pool looks at those that are not.
  const poolOf = ({ origin, waits }: SendRequest): Pool => {
    const name = `${waits ? 'waiting' : 'brief'} ${origin}`
    let pool = pools.get(name)
    if (!pool) {
      const connect = { ...tls, timeout: 5_000, noDelay: true, keepAlive: true }
      pool = new Pool(origin, {
        connections: waits ? null : MOST_BRIEF,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        connect: connect as NonNullable<Pool.Options['connect']>,
      })
      pools.set(name, pool)
    }
    return pool
  }
  return {
    send: (request) => new Promise((resolve, reject) => exchange(poolOf(request), request, resolve, reject)),
    async close() {
      const open = [...pools.values()]
      pools.clear()
      await Promise.all(open.map((pool) => pool.destroy()))
    },
  }
}

/** undici's own handlers, without the streams that its `request` builds: half the time of a small call. */
function exchange(
  pool: Pool,
  { method, origin, path, headers, body, signal, timeout, onPiece }: Parameters<Send>[0],
  resolve: (response: SendResponse) => void,
  reject: (cause: unknown) => void,
): void {
  let controller: Dispatcher.DispatchController | undefined
  let status = 0
  let type = ''
  const chunks: Buffer[] = []
  const abort = () => controller?.abort(new Error('aborted'))
  const end = () => signal?.removeEventListener('abort', abort)
  signal?.addEventListener('abort', abort, { once: true })
  const options = {
    origin,
    method: method as Dispatcher.HttpMethod,
    path,
    headers: headers as Record<string, string>,
    body: body ?? null,
    headersTimeout: timeout,
    bodyTimeout: timeout,
  }
  pool.dispatch(options, {
    onRequestStart(given) {
      controller = given
      if (signal?.aborted) abort()
    },
    onResponseStart(_, statusCode, given) {
      status = statusCode
      const value = given['content-type']
      type = Array.isArray(value) ? (value[0] ?? '') : (value ?? '')
    },
    onResponseData(_, chunk) {
      if (onPiece !== undefined && status === 200) onPiece(plain(chunk))
      else chunks.push(chunk)
    },
    onResponseEnd() {
      end()
      resolve({ status, type, body: plain(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)) })
    },
    onResponseError(_, error) {
      end()
      reject(error)
    },
  })
}

/** Node's Buffers have other methods of the same names: what goes further in is bytes. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
