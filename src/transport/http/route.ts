import type { MetricFamily } from '../../protocol/metrics.js'
import type { BrokerService, CallOptions } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { HttpRequest, HttpResponse } from './exchange.js'
import type { Schema } from './schema.js'

/** One thing that can be asked for. The table of them serves, checks and documents. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Segments in braces are parameters: `/topics/{topic}`. */
  readonly path: string
  /** For programs that are generated from the description; unique. */
  readonly id: string
  readonly tag: string
  readonly summary: string
  readonly description?: string | undefined
  readonly query?: Readonly<Record<string, Schema>> | undefined
  /** Headers that mean something here, for the description. */
  readonly headers?: Readonly<Record<string, Schema>> | undefined
  /** By content type. A type without a schema is read by the handler itself. */
  readonly body?: Readonly<Record<string, Schema | undefined>> | undefined
  /** How long a body may be, in bytes. @default what the server takes */
  readonly bodyBytes?: number | undefined
  /** Whether the body may be left out. @default false */
  readonly bodyOptional?: boolean | undefined
  readonly answers: Readonly<Record<number, Answer>>
  /** Served without a token, and not counted: health. @default false */
  readonly open?: boolean | undefined
  handle(context: Context): Promise<HttpResponse>
}

export interface Answer {
  readonly description: string
  /** By content type. */
  readonly content?: Readonly<Record<string, Schema | undefined>> | undefined
}

/** What a route's handler has. */
export interface Context {
  readonly service: BrokerService
  readonly call: CallOptions
  readonly runtime: Runtime
  readonly request: HttpRequest
  /** Of the path, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** Checked; numbers and booleans by the route's schema. */
  readonly query: Readonly<Record<string, unknown>>
  /** The content type of the body, without parameters; '' if there is none. */
  readonly type: string
  /** How long a body may be, in bytes. */
  readonly maxBodyBytes: number
  /** The body's bytes; not longer than the server allows, nor than `most`. */
  bytes(most?: number): Promise<Uint8Array>
  /** The body as JSON, checked by the route's schema; undefined if it is left out. */
  json(): Promise<unknown>
  /** What the server itself counts: requests, connections. */
  serverMetrics(): Promise<readonly MetricFamily[]>
  /** The content type that the caller wants most among these. */
  wants(...types: string[]): string
}
