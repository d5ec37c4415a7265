import { PortalError } from '../../core/errors.js'
import type { MetricFamily } from '../../protocol/metrics.js'
import type { BrokerService, CallOptions } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Admission } from './admission.js'
import { DIRECT_HEADER } from './direct.js'
import type { HttpRequest } from './exchange.js'
import { checkJsonShape } from './json-shape.js'
import type { Context, Route } from './route.js'
import type { Match } from './router.js'
import { checkSchema, type Schema } from './schema.js'

/** What the contexts of one server have in common. */
export interface ContextParts {
  readonly service: BrokerService
  readonly runtime: Runtime
  readonly maxBodyBytes: number
  serverMetrics(): Promise<readonly MetricFamily[]>
}

/** What a route's handler has, of a request that was let in. Throws INVALID_ARGUMENT for a query that the route does not know. */
export class RequestContext implements Context {
  readonly request: HttpRequest
  readonly call: CallOptions
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly type: string
  readonly #parts: ContextParts
  readonly #route: Route
  readonly #admission: Admission
  /** Bytes of the body that have come. */
  #taken = 0

  constructor(parts: ContextParts, request: HttpRequest, { route, params }: Match, admission: Admission) {
    const { authorize, forwarded } = admission
    const direct = request.header(DIRECT_HEADER) !== undefined || undefined
    this.#parts = parts
    this.#route = route
    this.#admission = admission
    this.request = request
    this.call = { signal: request.signal, authorize, forwarded, direct }
    this.params = params
    this.query = readQuery(route, request.query)
    this.type = plainType(request.header('content-type') ?? '')
  }

  get service(): BrokerService {
    return this.#parts.service
  }

  get runtime(): Runtime {
    return this.#parts.runtime
  }

  get maxBodyBytes(): number {
    return this.#parts.maxBodyBytes
  }

  async bytes(most?: number): Promise<Uint8Array> {
    checkType(this.#route, this.type)
    return this.#read(most)
  }

  async json(): Promise<unknown> {
    const { bodyOptional, body: schemas } = this.#route
    if (!bodyOptional) checkType(this.#route, this.type)
    const body = await this.#read()
    // Tools put a type on an empty body, too.
    if (body.length === 0 && bodyOptional) return undefined
    checkType(this.#route, this.type)
    const value = parseJson(body)
    const schema = schemas?.[this.type]
    if (schema) checkSchema(schema, value, 'The body')
    return value
  }

  serverMetrics(): Promise<readonly MetricFamily[]> {
    return this.#parts.serverMetrics()
  }

  wants(...types: string[]): string {
    return preferred(this.request.header('accept'), types)
  }

  async #read(most = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const limit = Math.min(most, this.#route.bodyBytes ?? this.maxBodyBytes)
    const body = await this.request.body(limit, (count) => this.#took(count))
    // Of servers that do not see it come.
    if (body.length > this.#taken) this.#took(body.length - this.#taken)
    return body
  }

  #took(count: number): void {
    this.#taken += count
    this.#admission.takeBody(count)
  }
}

/** A content type without its parameters. */
function plainType(given: string): string {
  const end = given.indexOf(';')
  return (end < 0 ? given : given.slice(0, end)).trim().toLowerCase()
}

/** The query's parameters by the route's schemas. Unknown ones are refused: a misspelt one would be ignored silently. */
function readQuery(route: Route, query: URLSearchParams): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const schemas = route.query ?? {}
  for (const [name, text] of query) {
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined
    if (schema === undefined) {
      const known = Object.keys(schemas).join(', ') || 'none'
      throw new PortalError(
        'INVALID_ARGUMENT',
        `There is no query parameter '${name.slice(0, 64)}' here. Known: ${known}.`,
      )
    }
    if (Object.hasOwn(values, name))
      throw new PortalError('INVALID_ARGUMENT', `The query parameter '${name}' is given more than once.`)
    const value = readValue(schema, text)
    checkSchema(schema, value, `The query parameter '${name}'`)
    values[name] = value
  }
  return values
}

function readValue(schema: Schema, text: string): unknown {
  if ((schema.type === 'integer' || schema.type === 'number') && /^-?\d+(\.\d+)?$/.test(text))
    return Number(text)
  if (schema.type === 'boolean' && (text === 'true' || text === '')) return true
  if (schema.type === 'boolean' && text === 'false') return false
  return text
}

function checkType({ body = {} }: Route, type: string): void {
  if (Object.hasOwn(body, type) || (Object.hasOwn(body, '*/*') && type !== '')) return
  const types = Object.keys(body)
  const got = type === '' ? 'no content type' : `the content type ${type.slice(0, 64)}`
  const wanted = types.join(', ')
  throw new PortalError(
    'UNSUPPORTED',
    `The body has ${got}; ${wanted} can be read here. With curl: -H 'content-type: ${types[0] ?? 'application/json'}'.`,
  )
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Throws INVALID_ARGUMENT for what is no JSON, or more than is taken. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new PortalError('INVALID_ARGUMENT', 'The body is not UTF-8.')
  }
  checkJsonShape(bytes)
  try {
    return JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : ''
    throw new PortalError('INVALID_ARGUMENT', `The body is not JSON: ${why}`)
  }
}

/** The first of `types` if nothing is said; else the one that stands first in `accept`, by its quality. */
function preferred(accept: string | undefined, types: readonly string[]): string {
  if (accept === undefined) return types[0]!
  let best: string | undefined
  let most = 0
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';').map((one) => one.trim().toLowerCase())
    const given = parameters.find((one) => one.startsWith('q='))
    const quality = given === undefined ? 1 : Number(given.slice(2)) || 0
    const found = types.find(
      (type) => range === '*/*' || range === type || range === `${type.split('/')[0]}/*`,
    )
    if (found !== undefined && quality > most) {
      best = found
      most = quality
    }
  }
  return best ?? types[0]!
}
