import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isPortalError } from '../../src/core/errors.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { WIRE_TYPE, WIRE_VERSION } from '../../src/protocol/wire/wire.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { httpService } from '../../src/transport/http/client/http-service.js'
import { openStreams } from '../../src/transport/http/client/receive-stream.js'
import type { Send, SendResponse } from '../../src/transport/http/client/send.js'
import { type UndiciSend, undiciSend } from '../../src/transport/http/client/undici-send.js'
import { http } from '../../src/transport/http/http.js'
import type { Listener } from '../../src/transport/transport.js'
import { plain } from './wire-support/forms.js'
import { type Recorded, readRecorded } from './wire-support/recorded.js'
import * as reference from './wire-support/reference.js'

const recorded = readRecorded()
/** A version to come: it has another number, and has appended fields to everything. */
const LATER = { version: WIRE_VERSION + 1, appended: Uint8Array.of(7, 0x80, 0x81, 1, 0xff) }

/** What is called now at the server that listens, and what it answers. */
let now: Pick<Recorded, 'call' | 'answer'> | undefined
let arrived: unknown
let listener: Listener
let carrier: UndiciSend

beforeAll(async () => {
  const service = Object.fromEntries(
    [...new Set(recorded.map(({ call }) => call))].map((name) => [
      name,
      async (request: unknown) => {
        expect(name).toBe(now?.call)
        arrived = request
        if (isPortalError(now?.answer)) throw now.answer
        return now?.answer
      },
    ]),
  )
  listener = await http({ port: 0 }).listen(service as unknown as BrokerService)
  carrier = undiciSend()
})

afterAll(async () => {
  await carrier.close()
  await listener.close()
})

/** Sends a request as it stands to today's server, whose broker answers as was recorded. */
function replay({ call, answer, sent }: Recorded, body = sent.body): Promise<SendResponse> {
  now = { call, answer }
  arrived = undefined
  return carrier.send({
    method: sent.method,
    origin: listener.address,
    path: sent.path,
    headers: sent.type === '' ? {} : { 'content-type': sent.type },
    body: body.length === 0 ? undefined : body,
    signal: undefined,
    waits: false,
    timeout: 10_000,
  })
}

/** Calls with today's client, to which a server answers so. */
async function callWith({ call, request }: Recorded, send: Send): Promise<unknown> {
  const { clock, timers } = systemRuntime()
  const pack = async (records: Uint8Array) => records
  const remote = httpService('http://broker.example', {
    send,
    clock,
    timers,
    pack,
    streams: openStreams,
    headers: () => ({}),
    timeout: 1_000,
  })
  const method = remote[call] as (request?: object) => Promise<unknown>
  return (request === undefined ? method() : method(request)).catch((error: unknown) => error)
}

/** JSON as values, of which a later version may have more; other bytes as they are. */
function expectSame(found: Uint8Array | string | undefined, wanted: Uint8Array, type: string): void {
  const bytes = typeof found === 'string' ? Buffer.from(found) : (found ?? new Uint8Array(0))
  if (!/json/.test(type))
    return expect(Buffer.from(bytes).toString('hex')).toBe(Buffer.from(wanted).toString('hex'))
  expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject(JSON.parse(Buffer.from(wanted).toString()))
}

describe.each(recorded.map((one) => [one.name, one] as const))('version 1: %s', (_, one) => {
  it('is understood and answered by today’s server', async () => {
    const { status, type = '', body } = await replay(one)
    if (one.request !== undefined) expect(plain(arrived)).toMatchObject(plain(one.request) as object)
    expect(status).toBe(one.received.status)
    expect(type).toBe(one.received.type)
    expectSame(body, one.received.body, type)
  })

  it('is asked by today’s client, which understands the answer', async () => {
    const found = await callWith(one, async ({ method, path, headers, body }) => {
      const type = headers['content-type'] ?? ''
      expect({ method, path, type }).toEqual({
        method: one.sent.method,
        path: one.sent.path,
        type: one.sent.type,
      })
      expectSame(body, one.sent.body, type)
      return one.received
    })
    expect(withoutUndefined(found)).toEqual(withoutUndefined(one.answer))
  })
})

describe('a version to come', () => {
  const binary = recorded.filter(
    ({ sent, received }) => sent.type === WIRE_TYPE && received.type === WIRE_TYPE,
  )

  it.each(binary.map((one) => [one.name, one] as const))(
    'its client asks today’s server: %s',
    async (_, one) => {
      const request = one.request as never
      const encode: Partial<Record<keyof BrokerService, () => Uint8Array>> = {
        produce: () => reference.produceRequest(packed(request), LATER),
        receive: () => reference.receiveRequest(request, LATER),
        settle: () => reference.settleRequest(request, LATER),
      }
      const { status, body } = await replay(one, encode[one.call]!())
      expect(plain(arrived)).toMatchObject(plain(one.request) as object)
      expect(status).toBe(200)
      // It finds the version of who answers, and none of its own fields: it takes their defaults.
      expectSame(body, one.received.body, WIRE_TYPE)
      expect(body[0]).toBe(WIRE_VERSION)
    },
  )

  it.each(
    recorded.filter(({ received }) => received.type === WIRE_TYPE).map((one) => [one.name, one] as const),
  )('its server answers today’s client: %s', async (_, one) => {
    const answer = one.answer as never
    const encode: Partial<Record<keyof BrokerService, () => Uint8Array>> = {
      produce: () => reference.produceResponse(answer, LATER),
      receive: () => reference.receiveResponse(answer, LATER),
      settle: () => reference.settleResponse(answer, LATER),
      read: () => reference.readResponse(answer, LATER),
    }
    const found = await callWith(one, async () => ({ ...one.received, body: encode[one.call]!() }))
    expect(withoutUndefined(found)).toEqual(withoutUndefined(one.answer))
  })

  const described = recorded.find(({ call, answer }) => call === 'describeTopic' && !isPortalError(answer))!

  it('its server says more in JSON, which today’s client leaves', async () => {
    const more = { ...JSON.parse(Buffer.from(described.received.body).toString()), invented: { later: [1] } }
    const found = await callWith(described, async () => ({
      ...described.received,
      body: Buffer.from(JSON.stringify(more)),
    }))
    expect(found).toMatchObject(withoutUndefined(described.answer) as object)
  })

  it('its server refuses with a code of its own, which today’s client passes on', async () => {
    const body = Buffer.from(JSON.stringify({ code: 'TOO_LATE', detail: 'It is too late.', retriable: true }))
    const found = await callWith(described, async () => ({
      status: 418,
      type: 'application/problem+json',
      body,
    }))
    expect(isPortalError(found)).toBe(true)
    expect(found).toMatchObject({ code: 'TOO_LATE', message: 'It is too late.', retriable: true })
  })
})

describe('what is no answer of a broker is a bad connection: the outcome is unknown', () => {
  const html = Buffer.from('<html>502 Bad Gateway</html>')
  const produce = recorded.find(({ call }) => call === 'produce')!
  const list = recorded.find(({ call }) => call === 'listTopics')!

  it.each([
    ['a page instead of bytes', produce, { status: 200, type: 'text/html', body: html }],
    ['bytes cut short', produce, { ...produce.received, body: produce.received.body.slice(0, -3) }],
    ['nothing instead of bytes', produce, { status: 204, type: '', body: new Uint8Array(0) }],
    ['a page instead of JSON', list, { status: 200, type: 'text/html', body: html }],
    ['a page as an error', list, { status: 502, type: 'text/html', body: html }],
    ['null as an error', list, { status: 500, type: 'application/json', body: Buffer.from('null') }],
    ['a number as a code', list, { status: 500, type: 'application/json', body: Buffer.from('{"code":7}') }],
    ['a redirection', list, { status: 302, type: '', body: new Uint8Array(0) }],
  ])('%s', async (_, one, response) => {
    const found = await callWith(one, async () => response)
    expect(found).toMatchObject({ code: 'DISCONNECTED', retriable: true })
    expect(isPortalError(found)).toBe(true)
  })
})

function packed(request: never): reference.ProduceMessage {
  const { acks, batches } = request as reference.ProduceMessage
  return { acks, batches: batches.map((batch) => ({ ...batch, packing: 0 })) }
}

/** Errors by their parts; a property that is undefined is none. Dates stay. */
function withoutUndefined(value: unknown): unknown {
  if (isPortalError(value)) return { code: value.code, message: value.message, retriable: value.retriable }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const fields = Object.entries(value).filter(([, part]) => part !== undefined)
  return Object.fromEntries(fields.map(([name, part]) => [name, withoutUndefined(part)]))
}
