import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type HttpOptions, http } from '../../src/http.js'
import { isPortalError } from '../../src/index.js'
import type { PeerService } from '../../src/protocol/peer-service.js'
import type { BrokerService, CallOptions } from '../../src/protocol/service.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { fetchRequest } from '../../src/transport/conformance/peer-samples.js'
import { undiciSend } from '../../src/transport/http/client/undici-send.js'
import { certificates } from '../support/certificates.js'
import { LogBook } from './support/broker.js'

const secret = 'the-s3cret-of-the-cluster-0123456789'
const other = 'the-s3cret-of-another-cluster-0123456'
const token = 'the-t0ken-of-a-client-0123456789'
const auth = { tokens: [{ token, principal: 'sensor' }], rules: [{ principal: 'sensor', consume: ['temp'] }] }
const bearer = (one: string) => ({ authorization: `Bearer ${one}` })
const { server, client, ca, stranger } = certificates

/** A broker of a cluster, as far as it can be seen from outside; it ends with the test. */
async function listen(options: Partial<HttpOptions> = {}) {
  const log = new LogBook()
  const calls: { readonly name: string; readonly call: CallOptions | undefined }[] = []
  const heard = (name: string, call: CallOptions | undefined) => void calls.push({ name, call })
  const service: Partial<BrokerService> = {
    async listTopics(call) {
      heard('listTopics', call)
      call?.authorize?.('admin', '*')
      return []
    },
  }
  const peers: Partial<PeerService> = {
    async fetch(_, call) {
      heard('fetch', call)
      return { results: [] }
    },
    async update() {
      heard('update', undefined)
      return { removed: [] }
    },
  }
  const transport = http({ port: 0, logger: log, ...options })
  const listener = await transport.listen(service as BrokerService, peers as PeerService)
  onTestFinished(() => listener.close())
  const { address } = listener
  const ask = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array,
  ) => {
    const sent = body as NonNullable<RequestInit['body']> | undefined
    const response = await fetch(address + path, {
      method,
      headers,
      ...(sent === undefined ? {} : { body: sent }),
    })
    const text = await response.text()
    return { status: response.status, text, code: /"code":"(\w+)"/.exec(text)?.[1] }
  }
  return { address, ask, calls, log, transport }
}

const update = JSON.stringify({
  version: 1,
  body: { ...fetchRequest, term: 1, documents: [], to: fetchRequest.from, sequence: 1 },
})
const json = { 'content-type': 'application/json' }

describe('the routes of brokers', () => {
  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['a token of a client', bearer(token)],
    ['the secret as a token', bearer(secret)],
    ['the secret of another cluster', { 'x-portal-mq-cluster': other }],
    ['a part of the secret', { 'x-portal-mq-cluster': secret.slice(0, -1) }],
    ['the secret twice', { 'x-portal-mq-cluster': `${secret}, ${secret}` }],
    ['an empty secret', { 'x-portal-mq-cluster': '' }],
    ['a token, and that the call is passed on', { ...bearer(token), 'x-portal-mq-forwarded': '1' }],
    ['a token, and a secret that is none', { ...bearer(token), 'x-portal-mq-cluster': other }],
  ])('are closed to who shows %s', async (_, headers) => {
    for (const options of [{ cluster: { secret }, auth }, { cluster: { secret } }]) {
      const { ask, calls, log } = await listen(options)
      for (const path of ['/peer/v1/update', '/peer/v1/fetch', '/peer/v1/nothing', '/peer/']) {
        const answer = await ask('POST', path, { ...json, ...headers }, update)
        expect(answer).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
        expect(answer.text).not.toMatch(/s3cret|t0ken/)
      }
      expect([calls, log.lines]).toEqual([[], []])
    }
  })

  it('are open to who shows the secret, or one that was the secret before', async () => {
    const { ask, calls } = await listen({ cluster: { secret: [secret, other] }, auth })
    for (const shown of [secret, other]) {
      const answer = await ask('POST', '/peer/v1/update', { ...json, 'x-portal-mq-cluster': shown }, update)
      expect(answer).toMatchObject({ status: 200, text: '{"version":1,"body":{"removed":[]}}' })
    }
    expect(calls).toHaveLength(2)
  })

  it('are closed to web pages, also to those that may do everything else', async () => {
    const { ask, calls } = await listen({ cors: { origins: ['https://app.example'] } })
    const page = { origin: 'https://app.example' }
    expect(await ask('POST', '/peer/v1/update', { ...json, ...page }, update)).toMatchObject({ status: 401 })
    expect(await ask('GET', '/topics', { ...page, 'x-portal-mq-forwarded': '1' })).toMatchObject({
      status: 200,
    })
    expect(await ask('POST', '/peer/v1/update', json, update)).toMatchObject({ status: 200 })
    expect(calls.map(({ name, call }) => [name, call?.forwarded])).toEqual([
      ['listTopics', undefined],
      ['update', undefined],
    ])
  })

  it('are not described, and are no place for methods that there are not', async () => {
    const { ask } = await listen({ cluster: { secret } })
    for (const path of ['/openapi.json', '/docs']) expect((await ask('GET', path)).text).not.toContain('peer')
    const shown = { 'x-portal-mq-cluster': secret }
    expect(await ask('POST', '/peer/v1/nothing', shown)).toMatchObject({ status: 404, code: 'UNSUPPORTED' })
    expect(await ask('GET', '/peer/v1/fetch', shown)).toMatchObject({ status: 405 })
    expect(await ask('POST', '/peer/v1/fetch', { ...json, ...shown }, '{}')).toMatchObject({ status: 415 })
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '"text"',
    '{"version":0,"body":{}}',
    '{"version":1}',
    '{"version":1,"body":null}',
    '{"version":1,"body":[]}',
    '{"version":1,"body":{"cluster":"c","from":null,"term":1,"documents":[]}}',
    '{"version":1,"body":{"cluster":"c","from":{"broker":1},"term":1,"documents":[]}}',
    update.replace('"documents":[]', '"documents":{}'),
    update.replace('"term":1', '"term":"1"'),
  ])('answer a body that is garbage with an error: %s', async (body) => {
    const { ask, calls, log } = await listen({ cluster: { secret } })
    const answer = await ask('POST', '/peer/v1/update', { ...json, 'x-portal-mq-cluster': secret }, body)
    expect(answer).toMatchObject({ status: 400, code: 'CORRUPT' })
    const binary = { 'content-type': WIRE_TYPE, 'x-portal-mq-cluster': secret }
    expect((await ask('POST', '/peer/v1/fetch', binary, body)).code).toMatch(/CORRUPT|UNSUPPORTED/)
    expect([calls, log.lines]).toEqual([[], []])
  })

  it('refuse a version that they do not read, in words', async () => {
    const { ask } = await listen({ cluster: { secret } })
    const shown = { 'x-portal-mq-cluster': secret }
    const later = update.replace('"version":1', '"version":2')
    for (const [path, type, body] of [
      ['update', 'application/json', later],
      ['fetch', WIRE_TYPE, Uint8Array.of(2, 0)],
    ] as const) {
      const answer = await ask('POST', `/peer/v1/${path}`, { ...shown, 'content-type': type }, body)
      expect(answer).toMatchObject({ status: 415, code: 'UNSUPPORTED' })
      expect(answer.text).toContain('version 2')
    }
  })

  it('refuse who guesses after a hundred times in a second', async () => {
    const { ask } = await listen({ cluster: { secret } })
    const codes = new Set<string | undefined>()
    for (let time = 0; time < 60 && !codes.has('QUOTA_EXCEEDED'); time++) {
      const guesses = Array.from({ length: 20 }, () =>
        ask('POST', '/peer/v1/fetch', { 'x-portal-mq-cluster': other }),
      )
      for (const { code } of await Promise.all(guesses)) codes.add(code)
    }
    expect(codes).toEqual(new Set(['UNAUTHENTICATED', 'QUOTA_EXCEEDED']))
  })
})

describe('what clients ask', () => {
  it('takes no secret of the cluster for a token', async () => {
    const { ask, calls } = await listen({ cluster: { secret }, auth })
    for (const headers of [
      bearer(secret),
      { 'x-portal-mq-cluster': secret },
      { ...bearer(token), 'x-portal-mq-cluster': secret },
    ])
      expect(await ask('GET', '/topics', headers)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
    expect(calls).toEqual([])
  })

  it('is held to their rules, whatever they say of being passed on', async () => {
    const { ask, calls } = await listen({ cluster: { secret }, auth })
    const headers = { ...bearer(token), 'x-portal-mq-forwarded': '1' }
    expect(await ask('GET', '/topics', headers)).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    expect(calls.map(({ call }) => call?.forwarded)).toEqual([undefined])
    const { status } = await ask('GET', '/topics', {
      'x-portal-mq-forwarded': '1',
      'x-portal-mq-cluster': other,
    })
    expect(status).toBe(401)
  })

  it('is passed on by a broker without their token and beyond their rules', async () => {
    const { address, calls, transport } = await listen({ cluster: { secret }, auth })
    expect(await transport.connectForwarding(address).listTopics()).toEqual([])
    expect(calls.map(({ call }) => [call?.forwarded, call?.authorize])).toEqual([[true, undefined]])
  })

  it('is not told from what a broker passes on where nobody is told from anybody', async () => {
    const { address, calls, transport, ask } = await listen()
    await transport.connectForwarding(address).listTopics()
    await transport.connectPeer(address).fetch(fetchRequest)
    await ask('GET', '/topics')
    expect(calls.map(({ name, call }) => [name, call?.forwarded])).toEqual([
      ['listTopics', true],
      ['fetch', undefined],
      ['listTopics', undefined],
    ])
  })
})

describe('brokers with another secret', () => {
  it('hear that they are not known, and no secret is in what they hear, log or tell', async () => {
    const told: unknown[] = []
    const onRequest = (message: unknown) => void told.push(message)
    subscribe('portal-mq:http:request', onRequest)
    onTestFinished(() => void unsubscribe('portal-mq:http:request', onRequest))
    const { address, log, transport } = await listen({ cluster: { secret }, auth })
    const foreign = http({ port: 0, cluster: { secret: other }, logger: log })
    const errors: unknown[] = []
    for (const call of [
      () => foreign.connectPeer(address).fetch(fetchRequest),
      () => foreign.connectForwarding(address).listTopics(),
      () => http({ port: 0 }).connectPeer(address).fetch(fetchRequest),
    ])
      errors.push(await call().catch((error: unknown) => error))
    for (const error of errors) expect(error).toMatchObject({ code: 'UNAUTHENTICATED' })
    // Nobody is there: what undici says of it is the error's cause.
    errors.push(
      await transport
        .connectPeer('http://127.0.0.1:1')
        .fetch(fetchRequest)
        .catch((error: unknown) => error),
    )
    expect(errors[3]).toMatchObject({ code: 'DISCONNECTED' })
    expect(told).toHaveLength(3)
    const all = [errors, log.lines, told, transport, foreign]
    expect(inspect(all, { depth: 20, showHidden: true })).not.toMatch(/s3cret|t0ken/)
  })

  it.each(['http://mq.example:5000', 'http://10.0.0.1:5000', 'http://[2001:db8::1]:5000'])(
    'do not send theirs to %s, unless they are insecure anyway',
    async (address) => {
      const { transport } = await listen({ cluster: { secret } })
      for (const call of [
        () => transport.connectPeer(address).fetch(fetchRequest),
        () => transport.connectForwarding(address).listTopics(),
      ]) {
        const error = await call().catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('https') })
        expect(inspect(error)).not.toContain('s3cret')
      }
    },
  )
})

describe('certificates', () => {
  const tls = { ...server, ca: ca.cert, requestCert: true }
  const cluster = { certificates: ['localhost'] }

  it('make brokers of those that are named, and of nobody else', async () => {
    const { address, calls, transport } = await listen({ tls, cluster, auth })
    const url = address.replace('127.0.0.1', 'localhost')
    expect(await transport.connectPeer(url).fetch(fetchRequest)).toEqual({ results: [] })
    expect(await transport.connectForwarding(url).listTopics()).toEqual([])
    expect(calls.map(({ name, call }) => [name, call?.forwarded])).toEqual([
      ['fetch', undefined],
      ['listTopics', true],
    ])
    // Connections to come take up the session of the first, and are of the same broker.
    const peer = transport.connectPeer(url)
    for (let time = 0; time < 2; time++)
      await Promise.all(Array.from({ length: 5 }, () => peer.fetch(fetchRequest)))
    const asClient = (own: { readonly cert?: string; readonly key?: string }) =>
      http({ port: 0, tls, cluster: { ...cluster, tls: { ca: ca.cert, ...own } } })
    // A client's own certificate, one of another authority, none.
    for (const own of [client, stranger, {}]) {
      for (const call of [
        () => asClient(own).connectPeer(url).fetch(fetchRequest),
        () => asClient(own).connectForwarding(url).listTopics(),
      ]) {
        const error = await call().catch((thrown: unknown) => thrown)
        expect(isPortalError(error, 'UNAUTHENTICATED', 'FORBIDDEN')).toBe(true)
      }
    }
    expect(calls.filter(({ call }) => call?.forwarded)).toHaveLength(1)
  })

  it('of brokers are those of no client', async () => {
    const rules = [{ principal: '*', admin: ['*'] }]
    const { address, calls } = await listen({ tls, cluster, auth: { rules } })
    const url = address.replace('127.0.0.1', 'localhost')
    const status = async (own: { readonly cert: string; readonly key: string }) => {
      const carrier = undiciSend({ ca: ca.cert, ...own })
      const { status } = await carrier.send({
        method: 'GET',
        origin: url,
        path: '/topics',
        headers: {},
        body: undefined,
        signal: undefined,
        waits: false,
        timeout: 10_000,
      })
      await carrier.close()
      return status
    }
    expect([await status(server), await status(client)]).toEqual([401, 200])
    expect(calls).toHaveLength(1)
  })
})

describe('starting', () => {
  const tls = server
  it.each<[string, Partial<HttpOptions>]>([
    ['beyond this machine', { host: '0.0.0.0', tls, auth }],
    ['with tokens for clients', { auth }],
    ['with tokens for clients, behind a proxy', { host: '0.0.0.0', auth, insecure: true }],
  ])('in a cluster without a secret is refused %s', async (_, options) => {
    const transport = http({ port: 0, ...options })
    const service = {} as BrokerService
    const starting = transport.listen(service, {} as PeerService)
    await expect(starting).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('cluster: { secret }'),
    })
    // What is in no cluster has no such routes.
    await (await transport.listen(service)).close()
  })

  it.each<Partial<HttpOptions>>([{}, { host: '0.0.0.0', insecure: true }, { auth, cluster: { secret } }])(
    'is possible with %o',
    async (options) => {
      const listener = await http({ port: 0, ...options }).listen({} as BrokerService, {} as PeerService)
      await listener.close()
    },
  )
})
