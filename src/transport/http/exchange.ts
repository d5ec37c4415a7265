import type { CallSignal } from '../../runtime/call-signal.js'

/** A request as every server can show it: Node's, a framework's, a worker's. */
export interface HttpRequest {
  /** Upper case. */
  readonly method: string
  /** As it came: percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** By its lower-case name; several of one name are joined by commas. */
  header(name: string): string | undefined
  /**
   * The whole body. Rejects with MESSAGE_TOO_LARGE as soon as it is longer than `limit` bytes, and with what `onBytes` throws: a
   * server that sees the body come calls it with the length of each piece.
   */
  body(limit: number, onBytes?: (count: number) => void): Promise<Uint8Array>
  /** Aborts when the caller has gone before its answer. */
  readonly signal: CallSignal
  /** Tells one that it is done, once, when the answer has gone out or cannot any more. A server that does not know has no such method. */
  onceOver?(told: { done(): void }): void
  /** Who asks, as far as the connection says. */
  readonly peer: Peer
}

export interface Peer {
  readonly address: string | undefined
  /** The subject's common name of a client certificate that was verified. */
  readonly certificate?: string | undefined
}

export interface HttpResponse {
  readonly status: number
  /** This answer's own: whoever passes it on may add to them. */
  readonly headers: Record<string, string>
  readonly body: Uint8Array | string | AsyncIterable<string> | AsyncIterable<Uint8Array> | undefined
  /** Takes back what the answer grants, for when the caller has gone without it. */
  readonly undo?: (() => void) | undefined
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>

/** An answer in JSON. */
export function json(
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: `${JSON.stringify(value)}\n`,
  }
}

export function noContent(): HttpResponse {
  return { status: 204, headers: {}, body: undefined }
}

export function binary(type: string, body: Uint8Array): HttpResponse {
  return { status: 200, headers: { 'content-type': type }, body }
}
