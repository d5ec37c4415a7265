import { WIRE_TYPE } from '../../protocol/wire/wire.js'
import { PROBLEM_TYPE } from './problem.js'
import type { Answer, Route } from './route.js'
import { NAMED_SCHEMAS } from './routes/named-schemas.js'
import type { Schema } from './schema.js'

/** An OpenAPI 3.1 document, as far as we write one. */
export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly info: {
    readonly title: string
    readonly version: string
    readonly summary: string
    readonly description: string
    readonly license: { readonly name: string; readonly identifier: string }
  }
  readonly servers: readonly { readonly url: string }[]
  readonly security: readonly object[]
  readonly tags: readonly { readonly name: string; readonly description?: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>
    readonly responses: Readonly<Record<string, Response>>
    readonly securitySchemes: Readonly<Record<string, object>>
  }
}

export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string | undefined
  readonly security?: readonly object[] | undefined
  readonly parameters?: readonly Parameter[] | undefined
  readonly requestBody?: { readonly required: boolean; readonly content: Content } | undefined
  readonly responses: Readonly<Record<string, Response | Reference>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string | undefined
  readonly schema: Shape
}

export interface Response {
  readonly description: string
  readonly content?: Content | undefined
}

export interface Reference {
  readonly $ref: string
}

/** A schema in which those that have a name are references. */
export type Shape = Schema & Partial<Reference> & { readonly contentMediaType?: string }
export type Content = Readonly<Record<string, { readonly schema: Shape }>>

declare const PORTAL_MQ_VERSION: string | undefined
export const VERSION = typeof PORTAL_MQ_VERSION === 'string' ? PORTAL_MQ_VERSION : '0.0.0'

const TAGS: Readonly<Record<string, string>> = {
  Messages: 'Publish, receive and settle, read and follow.',
  Batches: "Record batches in binary: what this package's clients send and read.",
  Topics: 'Named streams of messages, split into partitions.',
  Groups: "Named sets of consumers that share a topic's messages.",
  Locks: 'One holder at a time, each with a token that is higher than all before.',
  Cluster: 'The brokers.',
  Description: 'What there is, for programs and for people.',
}

const DESCRIPTION = `A durable message queue over HTTP: JSON for people and tools, batches in binary for its own clients.
Times are in milliseconds. Every error is an \`${PROBLEM_TYPE}\` with a \`code\` and whether the same request may succeed later.
An unknown query parameter or property is an error. With \`${WIRE_TYPE}\` the same routes speak the binary form of this package's clients.`

const PATH_PARAMETERS: Readonly<Record<string, Schema>> = {
  topic: {
    type: 'string',
    description: "A topic's name: 1 to 249 of A-Z, a-z, 0-9, '.', '_', '-'. Messages: or `~` and its id.",
  },
  group: { type: 'string', description: "A group's name; the rule is that of topics." },
  lock: { type: 'string', description: "A lock's name; the rule is that of topics." },
  partition: { type: 'integer', minimum: 0, description: 'A partition: 0, 1, 2, …' },
  stream: { type: 'string', description: 'The name that a client gave its stream.' },
  consumer: { type: 'string', description: 'Who receives.' },
  id: { type: 'integer', minimum: 0, description: 'The number that a client gave its receive.' },
  token: { type: 'integer', minimum: 0, description: 'The token that taking the lock gave.' },
}

/** Describes what is served: the same table that serves it. `basePath`: where it is mounted. */
export function describeApi(routes: readonly Route[], basePath = ''): OpenApi {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) }
  }
  const tags = [...new Set(routes.map(({ tag }) => tag))]
  return {
    openapi: '3.1.0',
    info: {
      title: 'portal-mq',
      version: VERSION,
      summary: 'A durable message queue.',
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: basePath || '/' }],
    // Whether a token is asked for is the server's to say.
    security: [{}, { bearer: [] }],
    tags: tags.map((name) => ({ name, ...(TAGS[name] && { description: TAGS[name] }) })),
    paths,
    components: {
      schemas: Object.fromEntries(
        [...NAMED_SCHEMAS].map(([schema, name]) => [name, shapeOf(schema, schema)]),
      ),
      responses: { Problem: PROBLEM_RESPONSE },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Where the broker has tokens.' },
      },
    },
  }
}

const PROBLEM_RESPONSE: Response = {
  description: 'What went wrong, and what to do.',
  content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
}

function operationOf(route: Route): Operation {
  const { id, tag, summary, description, body, bodyOptional = false, open } = route
  const parameters = parametersOf(route)
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(open ? { security: [{}] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: !bodyOptional, content: contentOf(body) } }),
    responses: responsesOf(route),
  }
}

function parametersOf({ path, query = {}, headers = {} }: Route): Parameter[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
  const parameter = (name: string, place: Parameter['in'], given: Schema): Parameter => {
    const { description, ...schema } = given
    return {
      name,
      in: place,
      required: place === 'path',
      ...(description === undefined ? {} : { description }),
      schema: shapeOf(schema),
    }
  }
  return [
    ...names.map((name) => parameter(name, 'path', PATH_PARAMETERS[name] ?? { type: 'string' })),
    ...Object.entries(query).map(([name, schema]) => parameter(name, 'query', schema)),
    ...Object.entries(headers).map(([name, schema]) => parameter(name, 'header', schema)),
  ]
}

/** The route's own answers, and the problems that its shape can lead to. */
function responsesOf(route: Route): Record<string, Response | Reference> {
  const own = Object.entries(route.answers).map(([status, answer]) => [status, responseOf(answer)] as const)
  const statuses = route.open ? [] : ['400', '401', '403']
  if (route.path.includes('{')) statuses.push('404')
  if (route.body) statuses.push('413', '415')
  const problems = [...statuses, 'default']
    .filter((status) => !Object.hasOwn(route.answers, status))
    .map((status) => [status, { $ref: '#/components/responses/Problem' }] as const)
  return Object.fromEntries([...own, ...problems])
}

function responseOf({ description, content }: Answer): Response {
  return content === undefined ? { description } : { description, content: contentOf(content) }
}

function contentOf(content: Readonly<Record<string, Schema | undefined>>): Content {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [
      type,
      { schema: schema ? shapeOf(schema) : bytesOf(type) },
    ]),
  )
}

/** By JSON Schema: bytes have no type, and say what is in them. */
function bytesOf(type: string): Shape {
  if (type === WIRE_TYPE)
    return { contentMediaType: type, description: "Record batches, as this package's clients speak." }
  return {
    contentMediaType: type === '*/*' ? 'application/octet-stream' : type,
    description: 'The value as it is.',
  }
}

/** A schema with references to those that have a name; `itself` is written out. */
function shapeOf(schema: Schema, itself?: Schema): Shape {
  const name = schema === itself ? undefined : NAMED_SCHEMAS.get(schema)
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
  const { properties, items, anyOf, additionalProperties, ...rest } = schema
  return {
    ...rest,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([one, own]) => [one, shapeOf(own)])),
    }),
    ...(items && { items: shapeOf(items) }),
    ...(anyOf && { anyOf: anyOf.map((one) => shapeOf(one)) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === 'object' ? shapeOf(additionalProperties) : additionalProperties,
    }),
  }
}
