import type { Compression } from '../../../protocol/service.js'
import type { CallSignal } from '../../../runtime/call-signal.js'

/** One request, for whatever carries it: undici in Node, `fetch` elsewhere. */
export interface SendRequest {
  /** Given: the pieces of a good answer (status 200) go there, and the answer comes without its body once it is over. */
  readonly onPiece?: Pieces | undefined
  readonly method: string
  /** Of the server, without a slash at the end. */
  readonly origin: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | string | undefined
  readonly signal: CallSignal | undefined
  /** Whether the answer may be long in coming because there is nothing to say yet. */
  readonly waits: boolean
  /** Milliseconds without an answer after which the server counts as gone. */
  readonly timeout: number
}

export interface SendResponse {
  readonly status: number
  /** The content type; '' if there is none. Carriers between brokers say it. */
  readonly type?: string | undefined
  readonly body: Uint8Array
}

/** Where the pieces of a long answer go; each as soon as it comes. */
export type Pieces = (piece: Uint8Array) => void

/** Carries one request. Rejects, whatever the reason, when there is no complete answer; never retries by itself. */
export type Send = (request: SendRequest) => Promise<SendResponse>

/** Packs records for the way. Rejects with UNSUPPORTED where that cannot be done. */
export type Pack = (records: Uint8Array, compression: Compression) => Promise<Uint8Array>
