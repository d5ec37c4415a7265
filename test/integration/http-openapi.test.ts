import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { Producer } from '../../src/index.js'
import { describeApi, type OpenApi } from '../../src/transport/http/openapi.js'
import type { Route } from '../../src/transport/http/route.js'
import { metaRoutes } from '../../src/transport/http/routes/meta.js'
import { serviceRoutes } from '../../src/transport/http/routes/routes.js'
import { PROBLEM } from '../../src/transport/http/routes/schemas.js'
import { findFault } from '../../src/transport/http/schema.js'
import { type Answer, openHandler, openServer, type Rest } from './support/rest.js'

const routes: readonly Route[] = [...serviceRoutes, ...metaRoutes(serviceRoutes)]

/** The route that a request takes. */
function routeOf(method: string, path: string): Route | undefined {
  const plain = path.split('?')[0]!
  const fits = (route: Route) =>
    route.method === method && new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(plain)
  return routes.find(fits)
}

describe('the description', () => {
  test('is valid OpenAPI 3.1, and has every route that is served', async () => {
    const rest = await openServer()
    const { body, headers } = await rest.ask('GET', '/openapi.json')
    expect(headers.get('content-type')).toContain('application/json')
    const api = body as unknown as OpenApi
    const result = await new Validator().validate(structuredClone(body))
    expect(result.errors ?? []).toEqual([])
    expect(result.valid).toBe(true)
    const described = Object.entries(api.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    for (const { method, path } of routes) expect(described).toContain(`${method} ${path}`)
  })

  test('names every operation once, every parameter of a path, and nothing that is not there', () => {
    const api = describeApi(routes)
    const operations = Object.entries(api.paths).flatMap(([path, all]) =>
      Object.values(all).map((operation) => ({ path, operation })),
    )
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? [])
        .filter((one) => one.in === 'path')
        .map(({ name }) => `{${name}}`)
      expect(named).toEqual(path.match(/\{\w+\}/g) ?? [])
      for (const one of operation.parameters ?? []) {
        if (one.in === 'path') expect(one.description, `${path} ${one.name}`).toBeDefined()
      }
    }
    const references = [...JSON.stringify(api).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)]
    expect(references.length).toBeGreaterThan(20)
    for (const [, kind, name] of references)
      expect(api.components[kind as 'schemas' | 'responses']).toHaveProperty(name!)
  })

  test('says how to be let in, what is binary, and how every request can fail', () => {
    const { components, security, paths } = describeApi(routes)
    expect(components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' })
    expect(security).toEqual([{}, { bearer: [] }])
    const produce = paths['/messages']!.post!
    const type = 'application/vnd.portal-mq'
    expect(produce.requestBody!.content[type]!.schema).toMatchObject({ contentMediaType: type })
    for (const operations of Object.values(paths)) {
      for (const { responses } of Object.values(operations))
        expect(responses.default).toEqual({ $ref: '#/components/responses/Problem' })
    }
    expect(paths['/docs']!.get!.security).toEqual([{}])
  })

  test('describes routes that others add, too', () => {
    const added: Route = {
      method: 'GET',
      path: '/weather',
      id: 'weather',
      tag: 'Weather',
      open: true,
      summary: 'Whether it lives.',
      answers: { 204: { description: 'It does.' } },
      handle: async () => ({ status: 204, headers: {}, body: undefined }),
    }
    const api = describeApi([...serviceRoutes, added])
    expect(api.paths['/weather']!.get!.operationId).toBe('weather')
    expect(api.tags.map(({ name }) => name)).toContain('Weather')
  })
})

test('every answer in JSON is as its route describes it', async () => {
  await walk(await openServer())
})

/** Takes every route that answers in JSON, and looks at each answer. */
async function walk(rest: Rest): Promise<void> {
  const seen = new Set<string>()
  const ask = async (method: string, path: string, status: number, body?: unknown): Promise<Answer> => {
    const answer = await rest.ask(method, path, body)
    const where = `${method} ${path}: ${answer.text.slice(0, 500)}`
    expect(answer.status, where).toBe(status)
    const route = routeOf(method, path)
    expect(route, where).toBeDefined()
    const type = (answer.headers.get('content-type') ?? '').split(';')[0]!
    const own = route!.answers[status]
    if (own === undefined) {
      expect(type, where).toBe('application/problem+json')
      expect(findFault(PROBLEM, answer.body, 'The problem'), where).toBeUndefined()
    }
    if (own?.content) {
      const schema = own.content[type]
      expect(schema, `${where} has the type ${type}`).toBeDefined()
      const value = type.includes('json') ? answer.body : answer.text
      expect(findFault(schema!, value, 'The answer'), where).toBeUndefined()
    } else if (own) expect(answer.text, where).toBe('')
    seen.add(`${route!.id} ${status}`)
    return answer
  }
  const lease = async () => {
    const { body } = await ask('POST', '/topics/t/groups/g/receive', 200, { wait: 5_000 })
    return (body.messages as unknown as { lease: string }[])[0]!.lease
  }

  await ask('GET', '/', 200)
  await ask('GET', '/openapi.json', 200)
  await ask('GET', '/docs', 200)
  await ask('GET', '/healthz', 200)
  await ask('GET', '/readyz', 200)
  await ask('GET', '/metrics', 200)
  await ask('GET', '/metrics?format=json', 200)
  await ask('POST', '/topics', 201, { name: 't', partitions: 2, retention: { age: 1e9, bytes: 1e9 } })
  await ask('POST', '/topics/t/messages', 201, { value: 1, key: 'k', headers: { a: 'b' }, partition: 0 })
  await ask('POST', '/topics/t/messages', 201, {
    messages: [{ value: 2 }, { value: 'AA==', encoding: 'base64' }],
  })
  await new Producer(rest.broker).send('t', 'with a key of bytes', {
    key: new Uint8Array([1, 2]),
    partition: 0,
  })
  await ask('POST', '/topics', 201, { name: 'small', maxMessageBytes: 100 })
  const large = { value: 'x'.repeat(200) }
  await ask('POST', '/topics/small/messages', 207, { messages: [{ value: 1 }, large] })
  await ask('GET', '/topics', 200)
  await ask('GET', '/topics/t', 200)
  await ask('PATCH', '/topics/t', 200, { retention: { age: null, bytes: null } })
  await ask('PUT', '/topics/t/partitions', 200, { partitions: 3 })
  await ask('GET', '/topics/t/route', 200)
  await ask('GET', '/topics/t/messages', 200)
  await ask('GET', '/topics/t/partitions/0/offset?at=latest', 200)
  await ask('PUT', '/topics/t/groups/g', 200, { backoff: { initial: 0 } })
  const first = await lease()
  await ask('POST', '/topics/t/groups/g/extend', 204, { leases: [first] })
  await ask('GET', '/topics/t/groups/g/explain?partition=0&offset=0', 200)
  await ask('GET', '/topics/t/groups', 200)
  await ask('GET', '/topics/t/groups/g', 200)
  await ask('POST', '/topics/t/groups/g/ack', 204, { leases: [first] })
  for (const outcome of ['nack', 'release', 'reject']) {
    const one = await lease()
    await ask('POST', `/topics/t/groups/g/${outcome}`, 204, { leases: [one] })
    await ask('POST', '/topics/t/groups/g/ack', 409, { leases: [one] })
  }
  await ask('PATCH', '/topics/t/groups/g', 200, { deadLetter: false })
  await ask('POST', '/topics/t/groups/g/pause', 204)
  await ask('POST', '/topics/t/groups/g/resume', 204)
  await ask('POST', '/topics/t/groups/g/seek', 204, { to: 'latest' })
  await ask('GET', '/topics/t/groups/g', 200)
  await ask('GET', '/topics/t/groups/g/explain?partition=0&offset=0', 200)
  await ask('DELETE', '/topics/t/groups/g', 204)
  await ask('GET', '/topics/t/groups/g', 404)
  await ask('GET', '/cluster', 200)
  await ask('GET', '/cluster/partitions?topic=t', 200)
  await ask('POST', '/cluster/rebalance', 415)
  for (const what of ['drain', 'undrain', 'forget'])
    await ask('POST', `/cluster/${what}`, 415, { broker: 'b' })
  await ask('POST', '/cluster/elect-unclean', 415, { topic: 't', partition: 0 })
  const { body } = await ask('POST', '/locks/l', 200, { ttl: 60_000 })
  const { token } = body as unknown as { token: number }
  await ask('POST', '/locks/l', 204)
  await ask('PUT', `/locks/l/${token}`, 204)
  await ask('DELETE', `/locks/l/${token}`, 204)
  await ask('PUT', `/locks/l/${token}`, 409)
  await ask('DELETE', '/topics/t', 204)
  await ask('DELETE', '/topics/t', 404)

  // What speaks binary alone is looked at by the tests of its form.
  const people = routes.filter(({ tag, answers }) => {
    const types = Object.values(answers).flatMap((answer) => Object.keys(answer.content ?? {}))
    return tag !== 'Batches' || types.includes('application/json')
  })
  const taken = new Set([...seen].map((one) => one.split(' ')[0]))
  expect(people.map(({ id }) => id).filter((id) => !taken.has(id))).toEqual([])
}

describe('the page', () => {
  test('is one small file that needs nothing else, and has every operation', async () => {
    const rest = await openHandler()
    const { text, headers } = await rest.ask('GET', '/docs')
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(new TextEncoder().encode(text).length).toBeLessThan(44_000)
    expect(text).not.toMatch(/(src|href)=["']?(https?:)?\/\/|@import|url\(/)
    for (const { id, path } of routes) {
      expect(text).toContain(`<details id="${id}">`)
      expect(text).toContain(path.replace(/\{\w+\}/g, '<var>$&</var>'))
    }
    const anchors = [...text.matchAll(/href="#([^"]+)"/g)].map((match) => match[1])
    for (const anchor of anchors) expect(text).toContain(`id="${anchor}"`)
    expect(text).toContain('prefers-color-scheme:dark')
  })
})
