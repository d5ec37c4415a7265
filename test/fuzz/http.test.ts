import { connect } from 'node:net'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import type { Route } from '../../src/transport/http/route.js'
import { serviceRoutes } from '../../src/transport/http/routes/routes.js'
import type { Schema } from '../../src/transport/http/schema.js'
import { type HttpBroker, RawConnection, serveBroker } from '../integration/support/http-broker.js'
import { type Place, validMessages } from './support/messages.js'
import { fuzz, mutated } from './support/rounds.js'

const limits = { headersTimeout: 500, requestTimeout: 1_000, answerTimeout: 1_000 }
/** What the process may grow by while it is fuzzed. */
const GROWTH = 700 << 20

let atStart: number
beforeAll(() => {
  atStart = process.memoryUsage().rss
})

describe('whatever is sent, the broker answers it or cuts it, and goes on', () => {
  it('by every route', async () => {
    const served = await serveBroker({ limits })
    const place = await prepare(served)
    let done = 0
    let all = 0
    await fuzz(
      0.4,
      fc.asyncProperty(requestOf(place), async ({ method, path, headers, body, isStream }) => {
        const text = `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}content-length: ${body.length}\r\n\r\n`
        const connection = open(served).write(Buffer.from(text, 'latin1')).write(body)
        const answer = await (isStream ? connection.said(/\r\n\r\n/) : connection.closed())
        connection.destroy()
        expect(answer).toMatch(/^HTTP\/1.1 [1-4]\d\d |^HTTP\/1.1 50[347] /)
        all++
        if (answer.startsWith('HTTP/1.1 2')) done++
      }),
      () => isWell(served),
    )
    // What is refused at the door finds nothing behind it.
    expect(done / all).toBeGreaterThan(0.1)
  })

  it('on the socket', async () => {
    const served = await serveBroker({ limits })
    const place = await prepare(served)
    const valid = validMessages(place).map((body) => requestText('POST', '/messages', WIRE_TYPE, body))
    valid.push(
      requestText('POST', '/topics/a/messages', 'application/json', Buffer.from('{"value":1}')),
      Buffer.from(
        'GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\nGET /cluster HTTP/1.1\r\nhost: localhost\r\n\r\n',
      ),
      Buffer.from(
        'POST /topics/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      ),
    )
    const bytes = fc.oneof(
      { weight: 4, arbitrary: mutated(valid) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 2_000 }) },
    )
    await fuzz(
      0.3,
      fc.asyncProperty(bytes, fc.boolean(), async (given, ends) => {
        const connection = open(served).write(given)
        // Who neither goes on nor ends is cut; who keeps a connection that is served goes.
        if (ends || /^HTTP\/1.1 2/.test(connection.received)) connection.end()
        else setTimeout(() => connection.end(), 100)
        await connection.closed(10_000)
      }),
      () => isWell(served),
    )
  })
})

/** One of very many: the test does not remember it. */
function open({ port }: HttpBroker): RawConnection {
  return new RawConnection(connect(port, '127.0.0.1'), false)
}

/** Makes the topic `a` with a group `g`. */
async function prepare({ ask }: HttpBroker): Promise<Place> {
  await ask('POST', '/topics', { name: 'a', partitions: 2 })
  return (await ask('PUT', '/topics/a/groups/g', {})).json as Place
}

async function isWell({ ask, log }: HttpBroker): Promise<void> {
  expect((await ask('GET', '/topics')).status).toBe(200)
  expect(log.lines).toEqual([])
  expect(process.memoryUsage().rss - atStart).toBeLessThan(GROWTH)
}

function requestText(method: string, path: string, type: string, body: Uint8Array): Uint8Array {
  const head = `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

interface Request {
  readonly method: string
  readonly path: string
  readonly headers: string
  readonly body: Uint8Array
  /** Its answer may have no end. */
  readonly isStream: boolean
}

/** Requests of every route: right, nearly right, and not at all. */
function requestOf(place: Place): fc.Arbitrary<Request> {
  return fc.constantFrom(...serviceRoutes).chain((route) =>
    fc.record({
      method: mostly(
        fc.constant(route.method),
        fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'),
      ),
      path: fc
        .tuple(pathOf(route, place), queryOf(route))
        .map(([path, query]) => (query === '' ? path : `${path}?${query}`)),
      headers: headersOf(route),
      body: bodyOf(route, place),
      isStream: fc.constant(route.id === 'receiveStream'),
    }),
  )
}

function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd })
}

const junk = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    '..',
    '.',
    '',
    '\0',
    '__proto__',
    'constructor',
    'a/b',
    '~',
    '~x',
    '-1',
    '1e9',
    'NaN',
    'null',
  ),
  fc.integer().map(String),
)

function pathOf(route: Route, { topicId }: Place): fc.Arbitrary<string> {
  const known: Record<string, string[]> = {
    topic: ['a', 'b', 'missing', `~${topicId}`],
    group: ['g', 'h'],
    lock: ['l'],
    token: ['1', '2'],
    stream: ['a-stream'],
    partition: ['0', '1', '7'],
  }
  const segments = route.path.split('/').slice(1)
  const parts = segments.map((segment) => {
    if (!segment.startsWith('{')) return fc.constant(segment)
    const names = known[segment.slice(1, -1)] ?? ['0']
    return mostly(fc.constantFrom(...names), junk.map(encoded))
  })
  return fc.tuple(...parts).map((all) => `/${all.join('/')}`)
}

function queryOf(route: Route): fc.Arbitrary<string> {
  const schemas = Object.entries(route.query ?? {})
  const known = schemas.map(([name, schema]) =>
    fc
      .option(mostly(valuesOf(name, schema).map(String), junk))
      .map((value) => (value === null ? [] : [[name, value] as const])),
  )
  const extra = mostly(
    fc.constant([] as [string, string][]),
    fc.array(fc.tuple(junk, junk), { maxLength: 2 }),
  )
  return fc.tuple(extra, ...known).map((all) =>
    all
      .flat()
      .map(([name, value]) => `${encoded(name!)}=${encoded(value!)}`)
      .join('&'),
  )
}

/** As a URL holds it; lone surrogates, which it cannot, become what stands for them. */
function encoded(text: string): string {
  return encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'))
}

function headersOf(route: Route): fc.Arbitrary<string> {
  const types = Object.keys(route.body ?? { 'application/json': undefined })
  const odd = fc.constantFrom(
    'text/plain',
    'application/octet-stream',
    '',
    'a',
    ';',
    WIRE_TYPE,
    'text/html; charset=x',
  )
  const type = mostly(fc.constantFrom(...types), odd)
  const accept = fc.constantFrom('*/*', 'application/json', WIRE_TYPE, ';q=,', 'a/b;q=x')
  const other = fc.constantFrom(
    '',
    'last-event-id: 0:1,x\r\n',
    'authorization: Bearer x\r\n',
    'origin: null\r\n',
    'host: x\r\n',
  )
  return fc
    .tuple(type, accept, mostly(fc.constant(''), other))
    .map(([content, wanted, more]) => `content-type: ${content}\r\naccept: ${wanted}\r\n${more}`)
}

function bodyOf(route: Route, place: Place): fc.Arbitrary<Uint8Array> {
  const schemas = Object.values(route.body ?? {}).filter((schema) => schema !== undefined)
  const asJson = schemas.map((schema) => mostly(valuesOf('', schema), fc.jsonValue()).map(toBytes))
  const pieces = [
    ...asJson,
    fc.constant(new Uint8Array()),
    fc.uint8Array({ maxLength: 200 }),
    fc.jsonValue().map(toBytes),
  ]
  if (route.body && WIRE_TYPE in route.body) pieces.push(mutated(validMessages(place)))
  return fc.oneof(...pieces)
}

function toBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value) ?? '')
}

/** What a schema allows, and what lies just outside. No test waits for long. */
function valuesOf(name: string, schema: Schema): fc.Arbitrary<unknown> {
  if (name === 'wait') return fc.constantFrom(0, 1, 20, -1, 1e9)
  if (name === 'partitions') return fc.constantFrom(1, 2, 3, 0, -1, 2 ** 31, Number.MAX_SAFE_INTEGER)
  if (name === 'name') return fc.constantFrom('b', 'c', '..', '')
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => valuesOf(name, one)))
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'object':
      return objectOf(schema)
    case 'array':
      return fc.array(valuesOf('', schema.items ?? {}), { maxLength: 4 })
    case 'integer':
    case 'number':
      return fc.oneof(
        fc.integer({ min: 0, max: 20 }),
        fc.constantFrom(
          schema.minimum ?? 0,
          schema.maximum ?? 2 ** 31,
          -1,
          0.5,
          2 ** 32,
          Number.MAX_SAFE_INTEGER,
          1e308,
        ),
      )
    case 'boolean':
      return fc.boolean()
    case 'string':
      return fc.oneof(fc.constantFrom('a', 'a.dead', '2026-01-01', 'earliest'), junk)
    case 'null':
      return fc.constant(null)
    case undefined:
      return fc.jsonValue()
  }
}

function objectOf(schema: Schema): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {})
  const known = Object.fromEntries(properties.map(([name, one]) => [name, valuesOf(name, one)]))
  const required = schema.required ?? []
  const some = fc.record(known, { requiredKeys: [...required] as never })
  const more = mostly(fc.constant({}), fc.dictionary(junk, fc.jsonValue(), { maxKeys: 2 }))
  return fc.tuple(some, more).map(([own, others]) => ({ ...others, ...own }))
}
