import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import express from 'express'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect as connectWithFetch } from '../../src/client.js'
import { connect, createHandler, type HandlerOptions, http, toNodeHandler } from '../../src/http.js'
import { Consumer, Producer } from '../../src/index.js'
import { assembleHandler } from '../../src/transport/http/web-handler.js'
import { bundleProgram } from '../support/bundle.js'
import { openBroker } from './support/broker.js'
import { type Rest, readEvents, restOf } from './support/rest.js'

const NDJSON = { 'content-type': 'application/x-ndjson' }
const EVENTS = { accept: 'text/event-stream' }
const DAY = 86_400_000

/** What a mount of docs/http.md leaves behind. */
interface Mounted {
  readonly server?: Server
  readonly app?: { readonly server: Server; close(): Promise<void> }
  readonly GET?: (request: Request) => Promise<Response>
}

/** A module is run once for each URL. */
let mounts = 0

/** Runs the code of docs/http.md that mounts a handler below /mq. */
async function mount(name: string, marker: string): Promise<Rest> {
  const broker = await openBroker({ directory: ':memory:' })
  const docs = await readFile('docs/http.md', 'utf8')
  const block = [...docs.matchAll(/```js\n([\s\S]*?)```/g)]
    .map((match) => match[1]!)
    .find((code) => code.includes(marker))
  expect(block, `docs/http.md shows ${name}`).toBeDefined()
  const code = block!
    .replaceAll("'portal-mq/http'", JSON.stringify(join(process.cwd(), 'src/http.ts')))
    .replaceAll('3000', '0')
  const shown = /const (server|app) = /.exec(code)
    ? [...code.matchAll(/const (server|app) = /g)].map((match) => match[1])
    : []
  const source = `node_modules/.cache/portal-mq/docs-${name}-${process.pid}.ts`
  await mkdir('node_modules/.cache/portal-mq', { recursive: true })
  await writeFile(source, `const broker = globalThis.docsBroker\n${code}\nexport { ${shown.join(', ')} }\n`)
  const program = await bundleProgram(source, `docs-${name}`)
  onTestFinished(async () => {
    await rm(source)
    await rm(program)
  })
  Object.assign(globalThis, { docsBroker: broker })
  const mounted = (await import(/* @vite-ignore */ `${pathToFileURL(program).href}?${++mounts}`)) as Mounted
  if (mounted.GET) {
    const methods = mounted as unknown as Record<string, (request: Request) => Promise<Response>>
    return restOf(broker, 'http://next.test/mq', (request) => methods[request.method]!(request))
  }
  const server = mounted.server ?? mounted.app!.server
  if (!server.listening) await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    if (mounted.server) server.close()
    else await mounted.app!.close()
  })
  return restOf(broker, `http://127.0.0.1:${(server.address() as AddressInfo).port}/mq`, fetch)
}

describe.each([
  ['Hono', 'hono', "from 'hono'"],
  ['Express', 'express', "from 'express'"],
  ['Fastify', 'fastify', "from 'fastify'"],
  ['Next.js', 'next', 'export const GET'],
])('mounted in %s as the docs show', (_, name, marker) => {
  test('it publishes, receives and acks, in every form', async () => {
    const rest = await mount(name, marker)
    expect((await rest.ask('POST', '/topics/t/messages', { value: 'a' })).status).toBe(201)
    expect(
      (await rest.ask('POST', '/topics/t/messages', '{"value":"b"}\n', { headers: NDJSON })).status,
    ).toBe(201)
    const bytes = new Uint8Array(900_000).fill(7)
    const raw = { headers: { 'content-type': 'application/octet-stream' } }
    expect((await rest.ask('POST', '/topics/t/messages', bytes, raw)).body.offset).toBe(2)
    const { body } = await rest.ask('POST', '/topics/t/groups/g/receive', { max: 2 })
    const messages = body.messages as unknown as { lease: string; value: string }[]
    expect(messages.map(({ value }) => value)).toEqual(['a', 'b'])
    const leases = messages.map(({ lease }) => lease)
    expect((await rest.ask('POST', '/topics/t/groups/g/ack', { leases })).status).toBe(204)
    expect((await rest.ask('POST', '/topics/t/groups/g/ack', { leases })).status).toBe(204)
    expect((await rest.ask('POST', '/topics/t/groups/g/pause')).status).toBe(204)
    const made = await rest.ask('POST', '/topics', { name: 'u' })
    expect(made.headers.get('location')).toBe('/mq/topics/u')
    expect((await rest.ask('PATCH', '/topics/u', { maxMessageBytes: 5 })).status).toBe(200)
    expect((await rest.ask('DELETE', '/topics/u')).status).toBe(204)
    expect((await rest.ask('GET', '/openapi.json')).body.servers).toEqual([{ url: '/mq' }])
    expect((await rest.ask('GET', '/topics/missing')).body.code).toBe('TOPIC_NOT_FOUND')
    expect(
      (
        await rest.ask('POST', '/topics/t/messages', 'a=1', {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        })
      ).status,
    ).toBe(415)
  })

  test('it follows, and stops when nobody reads any more', async () => {
    const rest = await mount(name, marker)
    await rest.ask('POST', '/topics/t/messages', { value: 1 })
    const stream = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers: EVENTS })
    expect(await readEvents(stream, 1)).toMatchObject([{ id: '0:1', data: { value: 1 } }])
    const next = await rest.open('GET', '/topics/t/messages', undefined, {
      headers: { ...EVENTS, 'last-event-id': '0:1' },
    })
    const events = readEvents(next, 1)
    await rest.ask('POST', '/topics/t/messages', { value: 2 })
    expect(await events).toMatchObject([{ id: '0:2', data: { value: 2 } }])
  })

  test('a caller that goes away waits no more, and is given nothing', async () => {
    const rest = await mount(name, marker)
    await rest.ask('POST', '/topics', { name: 't' })
    await rest.ask('PUT', '/topics/t/groups/g')
    const path = '/topics/t/groups/g/receive'
    const gone = new AbortController()
    const waiting = rest.open(
      'POST',
      path,
      { wait: 60_000, lease: DAY, consumer: 'gone' },
      { signal: gone.signal },
    )
    waiting.catch(() => {})
    const members = async () => (await rest.ask('GET', '/topics/t/groups/g')).body.partitions
    await expect.poll(members).toMatchObject([{ members: ['gone'] }])
    gone.abort()
    await expect.poll(members).toMatchObject([{ members: [] }])
    await rest.ask('POST', '/topics/t/messages', { value: 1 })
    expect((await rest.ask('POST', path, { wait: 10_000 })).body.messages).toMatchObject([
      { deliveryCount: 1 },
    ])
  })
})

describe('createHandler', () => {
  const openRest = async (options: HandlerOptions = {}) => {
    const broker = await openBroker({ directory: ':memory:' })
    return restOf(broker, 'http://broker.test', createHandler(broker, options))
  }

  test('what was granted in an answer that nobody reads is there for the next, uncounted', async () => {
    const rest = await openRest()
    await rest.ask('POST', '/topics/t/messages', { value: 1 })
    const unread = await rest.open('POST', '/topics/t/groups/g/receive', { lease: DAY })
    await unread.body!.cancel()
    const { body } = await rest.ask('POST', '/topics/t/groups/g/receive', { wait: 10_000 })
    expect(body.messages).toMatchObject([{ value: 1, deliveryCount: 1 }])
  })

  test('what was granted while its caller left is there for the next, uncounted', async () => {
    const rest = await openRest()
    await rest.ask('POST', '/topics/t/messages', { value: 0 })
    await rest.ask('POST', '/topics/t/groups/g/receive', { lease: DAY })
    for (let round = 1; round <= 20; round++) {
      const gone = new AbortController()
      const waiting = rest.open(
        'POST',
        '/topics/t/groups/g/receive',
        { wait: 60_000, lease: DAY, consumer: 'gone' },
        { signal: gone.signal },
      )
      const sent = rest.ask('POST', '/topics/t/messages', { value: round })
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve))
      gone.abort()
      const answer = await waiting.catch(() => undefined)
      await sent
      await answer?.body?.cancel()
      const { body } = await rest.ask('POST', '/topics/t/groups/g/receive', { wait: 10_000, lease: DAY })
      expect(body.messages).toMatchObject([{ value: round, deliveryCount: 1 }])
    }
  })

  test('an answer that was read stays granted, whatever its signal does later', async () => {
    const rest = await openRest()
    await rest.ask('POST', '/topics/t/messages', { value: 1 })
    const later = new AbortController()
    const request = { lease: DAY, consumer: 'c' }
    const { body } = await rest.ask('POST', '/topics/t/groups/g/receive', request, { signal: later.signal })
    later.abort()
    const [{ lease }] = body.messages as unknown as [{ lease: string }]
    expect((await rest.ask('GET', '/topics/t/groups/g')).body.partitions).toMatchObject([{ inFlight: 1 }])
    expect((await rest.ask('POST', '/topics/t/groups/g/ack', { leases: [lease] })).status).toBe(204)
  })

  test('a lock whose token nobody read is free', async () => {
    const rest = await openRest()
    const unread = await rest.open('POST', '/locks/l', { ttl: DAY })
    await unread.body!.cancel()
    expect((await rest.ask('POST', '/locks/l', { wait: 10_000 })).status).toBe(200)
  })

  test('serves what a connection leads to', async () => {
    const broker = await openBroker({ directory: ':memory:', transport: http({ port: 0 }) })
    const remote = connect(broker.url!)
    onTestFinished(() => remote.close())
    const rest = restOf(broker, 'http://front.test/queue', createHandler(remote, { basePath: '/queue/' }))
    expect((await rest.ask('POST', '/topics/t/messages', { value: 1 })).status).toBe(201)
    const { body } = await rest.ask('POST', '/topics/t/groups/g/receive', { wait: 5_000 })
    const leases = (body.messages as unknown as { lease: string }[]).map(({ lease }) => lease)
    expect((await rest.ask('POST', '/topics/t/groups/g/ack', { leases })).status).toBe(204)
    const stream = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers: EVENTS })
    expect(await readEvents(stream, 1)).toMatchObject([{ data: { value: 1 } }])
    expect((await rest.ask('GET', '/topics/missing')).body.code).toBe('TOPIC_NOT_FOUND')
  })

  test('refuses streams over a connection that has none', async () => {
    const broker = await openBroker({ directory: ':memory:', transport: http({ port: 0 }) })
    const front = connectWithFetch(broker.url!)
    const server = createServer(toNodeHandler(createHandler(front)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const remote = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(async () => {
      await Promise.all([remote.close(), front.close()])
      server.close()
    })
    await new Producer(remote).send('t', 1)
    const consumer = new Consumer(remote, 't')
    await expect(consumer[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect((await consumer.receive()).value).toBe(1)
    await consumer.close({ timeout: 0 })
  })

  test("is what this package's own clients speak to, through another server", async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const server = createServer(toNodeHandler(createHandler(broker, { basePath: '/deep/down' })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const remote = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}/deep/down`)
    const producer = new Producer(remote)
    await producer.send('t', { n: 1 })
    const consumer = new Consumer(remote, 't')
    const message = await consumer.receive()
    expect(message.value).toEqual({ n: 1 })
    await message.ack()
    await consumer.close()
    await producer.close()
    await remote.close()
    server.closeAllConnections()
  })

  test('is mounted where it was said to be', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const rest = restOf(broker, 'http://broker.test', createHandler(broker, { basePath: '/mq' }))
    expect((await rest.ask('GET', '/mq')).body).toMatchObject({
      docs: '/mq/docs',
      openapi: '/mq/openapi.json',
    })
    expect((await rest.ask('GET', '/mq/topics')).status).toBe(200)
    for (const path of ['/topics', '/mqx/topics', '/']) {
      expect(await rest.ask('GET', path)).toMatchObject({
        status: 404,
        body: { detail: expect.stringContaining('mounted below /mq') },
      })
    }
    const browser = await rest.ask('GET', '/mq/', undefined, { headers: { accept: 'text/html' } })
    expect(browser.headers.get('location')).toBe('/mq/docs')
    expect((await rest.ask('GET', '/mq/docs')).text).toContain('href="/mq/openapi.json"')
  })

  test('takes bodies up to its limit, whether they say their length or not', async () => {
    const rest = await openRest({ maxBodyBytes: 1_000 })
    const headers = { 'content-type': 'text/plain' }
    expect((await rest.ask('POST', '/topics/t/messages', 'x'.repeat(1_000), { headers })).status).toBe(201)
    expect((await rest.ask('POST', '/topics/t/messages', 'x'.repeat(1_001), { headers })).status).toBe(413)
    const announced = { ...headers, 'content-length': '5000' }
    expect((await rest.ask('POST', '/topics/t/messages', 'x', { headers: announced })).status).toBe(413)
  })

  test('says that the broker is closed, and never rejects', async () => {
    const rest = await openRest()
    await rest.ask('POST', '/topics/t/messages', { value: 1 })
    const waiting = rest.ask('GET', '/topics/t/messages?from=latest&wait=60000')
    const stream = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers: EVENTS })
    const text = stream.text()
    await rest.broker.close()
    expect(await waiting).toMatchObject({ status: 503, body: { code: 'CLOSED' } })
    // It ends; who follows comes again, and hears why.
    await text
    expect(await rest.ask('GET', '/topics')).toMatchObject({ status: 503, body: { code: 'CLOSED' } })
    expect((await rest.ask('GET', '/docs')).status).toBe(200)
  })

  test('refuses options and brokers that cannot be', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    for (const options of [
      { basePath: 'mq' },
      { basePath: '/a b' },
      { basePath: '//' },
      { basePath: 7 },
      { maxBodyBytes: 0 },
      { path: '/' },
    ])
      expect(() => createHandler(broker, options as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    for (const wrong of [undefined, {}, 'http://localhost:5000'])
      expect(() => createHandler(wrong as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
  })

  test('lets in who has a token, and lets each do what the rules say', async () => {
    const auth = {
      tokens: [{ token: 'a-long-secret-of-sensors', principal: 'sensors' }],
      rules: [{ principal: 'sensors', produce: ['temp_*'] }],
    }
    const handler = createHandler(await openBroker(), { auth })
    const publish = async (topic: string, token?: string) => {
      const request = new Request(`http://broker.test/topics/${topic}/messages`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: '{"value":1}',
      })
      return (await handler(request)).status
    }
    expect(await publish('temp_1')).toBe(401)
    expect(await publish('temp_1', 'another')).toBe(401)
    expect(await publish('orders', 'a-long-secret-of-sensors')).toBe(403)
    expect(await publish('temp_1', 'a-long-secret-of-sensors')).toBe(201)
  })

  test('lets in whom it is told to; rules per principal are kept by brokers, and not through connections', async () => {
    const broker = await openBroker({ directory: ':memory:', transport: http({ port: 0 }) })
    const remote = connect(broker.url!)
    onTestFinished(() => remote.close())
    const admit = async () => ({ principal: 'me', authorize() {}, takeBody() {}, takeAnswer() {}, done() {} })
    const direct = restOf(broker, 'http://x.test', assembleHandler(broker, {}, { admit }))
    expect((await direct.ask('GET', '/topics')).status).toBe(200)
    const through = restOf(broker, 'http://x.test', assembleHandler(remote, {}, { admit }))
    expect(await through.ask('GET', '/topics')).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
    expect((await through.ask('GET', '/openapi.json')).status).toBe(200)
  })
})

describe('toNodeHandler', () => {
  test('says what to do about a body that was parsed before', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const app = express()
    app.use(express.json())
    app.use('/mq', toNodeHandler(createHandler(broker, { basePath: '/mq' })))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const rest = restOf(broker, `http://127.0.0.1:${(server.address() as AddressInfo).port}/mq`, fetch)
    expect(await rest.ask('POST', '/topics/t/messages', { value: 1 })).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('before whatever parses bodies') },
    })
    server.closeAllConnections()
  })

  test('gives back what it could not hand over to a caller who is gone', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await new Producer(broker).send('t', 1)
    const handler = createHandler(broker)
    // The answer is ready when its caller has gone already.
    const server = createServer(
      toNodeHandler(async (request) => {
        const response = await handler(request)
        if (request.url.endsWith('/receive')) {
          gone.abort()
          if (!request.signal.aborted) await once(request.signal, 'abort')
        }
        return response
      }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const gone = new AbortController()
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const body = JSON.stringify({ lease: DAY })
    const headers = { 'content-type': 'application/json' }
    const lost = fetch(`${url}/topics/t/groups/g/receive`, {
      method: 'POST',
      body,
      headers,
      signal: gone.signal,
    })
    await expect(lost).rejects.toMatchObject({ name: 'AbortError' })
    const consumer = new Consumer(broker, 't', { group: 'g' })
    const message = await consumer.receive()
    expect(message).toMatchObject({ value: 1, deliveryCount: 1 })
    await message.ack()
    await consumer.close()
  })
})
