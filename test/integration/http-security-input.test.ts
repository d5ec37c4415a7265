import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ByteWriter } from '../../src/core/bytes.js'
import { RecordBatchBuilder, type RecordInput } from '../../src/core/record-batch-builder.js'
import { Consumer } from '../../src/index.js'
import { SERVICE } from '../../src/protocol/connection.js'
import { encodeProduceRequest } from '../../src/protocol/wire/produce.js'
import { encodeReceiveRequest } from '../../src/protocol/wire/receive.js'
import { encodeSettleRequest } from '../../src/protocol/wire/settle.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { type HttpBroker, serveBroker } from './support/http-broker.js'

const wire = { 'content-type': WIRE_TYPE, accept: WIRE_TYPE }
let served: HttpBroker

// Whatever a test has sent, the broker must be there after it, without having been surprised.
beforeEach(async () => {
  served = await serveBroker()
})
afterEach(async () => {
  expect((await served.ask('GET', '/topics')).status).toBe(200)
  expect(served.log.lines).toEqual([])
})

describe('JSON', () => {
  it.each<[string, string | Uint8Array]>([
    ['nested 100,000 levels deep', `{"value":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['nested and never closed', '{"value":'.repeat(100_000)],
    ['of millions of parts', `{"messages":[${'{},'.repeat(3_000_000)}{}]}`],
    ['with more messages than are taken', `{"messages":[${'{"value":1},'.repeat(10_000)}{"value":1}]}`],
    ['that ends early', '{"value":'],
    ['that is none', 'value=1'],
    ['that is empty', ''],
    ['of NaN', '{"value":NaN}'],
    ['in Latin-1', Uint8Array.from(Buffer.from('{"value":"ü"}', 'latin1'))],
    ['in UTF-16', Uint8Array.from(Buffer.from('{"value":1}', 'utf16le'))],
    ['of an overlong character', Uint8Array.from([...Buffer.from('{"value":"'), 0xc0, 0x80, 0x22, 0x7d])],
    ['of zeros', new Uint8Array(1_000)],
    ['with a property that nobody knows', '{"value":1,"constructor":{"prototype":{}}}'],
    ['with __proto__ beside the value', '{"value":1,"__proto__":{"id":"x"}}'],
    ['with a huge partition', '{"value":1,"partition":1e308}'],
    ['with a partition beyond numbers', '{"value":1,"partition":1e999}'],
    ['with a timestamp beyond time', '{"value":1,"timestamp":9007199254740991}'],
    ['with headers that are none', '{"value":1,"headers":{"a":{"b":1}}}'],
    ['with base64 that is none', '{"value":"§","encoding":"base64"}'],
  ])('%s is refused', async (_what, body) => {
    const answer = await served.ask('POST', '/topics/a/messages', body)
    expect(answer.status, answer.text).toBe(400)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.text.length).toBeLessThan(1_000)
  })

  it('with __proto__ in the value comes back as it was sent, and nobody is changed by it', async () => {
    const value = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}'
    const body = `{"value":${value},"headers":{"__proto__":"h"}}`
    expect((await served.ask('POST', '/topics/a/messages', body)).status).toBe(201)
    const { text } = await served.ask('GET', '/topics/a/messages')
    expect(text).toContain(`"value":${value}`)
    expect(text).toContain('"headers":{"__proto__":"h"}')
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
    const settings = '{"__proto__":{"partitions":3},"name":"b"}'
    expect((await served.ask('POST', '/topics', settings)).status).toBe(400)
  })

  it('with a key twice means the last one, for the broker and its checks alike', async () => {
    const answer = await served.ask(
      'POST',
      '/topics',
      '{"name":"../etc","name":"fine","partitions":0,"partitions":2}',
    )
    expect(answer).toMatchObject({ status: 201, json: { name: 'fine' } })
    expect((await served.ask('POST', '/topics', '{"name":"fine2","name":"../etc"}')).status).toBe(400)
  })

  it('numbers that no double can hold come back as the double', async () => {
    expect(
      (await served.ask('POST', '/topics/a/messages', '{"value":123456789012345678901234567890}')).status,
    ).toBe(201)
    expect((await served.ask('GET', '/topics/a/messages')).text).toContain('"value":1.2345678901234568e+29')
  })
})

describe('a path', () => {
  it.each([
    '/topics/../cluster',
    '/topics/%2e%2e/messages',
    '/topics/%2e/messages',
    '/topics/a%2fb/messages',
    '/topics/a%5cb/messages',
    '/topics/%00/messages',
    '/topics/a%00/messages',
    '/topics/%252e%252e/messages',
    '/topics/%c0%ae%c0%ae/messages',
    '/topics/%zz/messages',
    '/topics/%/messages',
    '/topics//messages',
    '//topics',
    '///',
    '/topics/a/../../cluster',
    '/topics/__proto__/nothing',
    '/__proto__',
    '/constructor',
    '/topics/a\tb/messages',
    '/topics/ü/messages',
    `/topics/${'a'.repeat(300)}/messages`,
    '/topics/~/partitions/0/messages?offset=0',
    '/topics/~../partitions/0/messages?offset=0',
    '/topics/a/messages?__proto__=1',
    '/topics/a/messages?from=%00',
    '/topics/a/messages?limit=1e9',
    '/topics/a/messages?limit=99999999999999999999',
    '/topics/a/messages?partition=-1',
    '/topics/a/messages?partition=4294967296',
    '/locks/../topics',
    '/topics?',
    'topics',
    '*',
    'ftp://localhost/topics',
    'http://',
  ])('%s is refused, and leads nowhere', async (path) => {
    await served.ask('POST', '/topics', { name: 'a' })
    const connection = served
      .open()
      .write(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`))
    const text = await connection.closed()
    if (path === '/topics?' || path === 'http://') expect(text).toMatch(/^HTTP\/1.1 200/)
    else expect(text).toMatch(/^HTTP\/1.1 4\d\d /)
  })

  it('may be a whole URL, as proxies are asked', async () => {
    const connection = served
      .open()
      .write('GET http://localhost/topics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    expect(await connection.closed()).toMatch(/^HTTP\/1.1 200 .*"topics":\[\]/s)
  })

  it.each(['POST', 'PUT', 'PATCH'])('%s cannot name what no name can be', async (method) => {
    for (const name of ['..', '%2e%2e', 'a%2fb', '%00', 'a b', 'ü'.repeat(3)]) {
      const answer = await served.ask(method, `/topics/${name}/groups/g`, {})
      expect([400, 404, 405]).toContain(answer.status)
    }
    expect((await served.ask('POST', '/locks/a%2fb', {})).status).toBe(400)
  })
})

describe('on the socket', () => {
  const post = (headers: string, body: string) =>
    `POST /topics/smuggled/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n${headers}\r\n${body}`
  const next =
    'POST /topics/hidden/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\nx'

  it.each([
    ['two lengths', post('content-length: 1\r\ncontent-length: 2\r\n', 'xx')],
    ['a length and chunks', post('content-length: 5\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${next}`)],
    ['chunks and a length', post('transfer-encoding: chunked\r\ncontent-length: 5\r\n', `0\r\n\r\n${next}`)],
    ['chunks, then something else', post('transfer-encoding: chunked, identity\r\n', `0\r\n\r\n${next}`)],
    ['something like chunks', post('transfer-encoding: xchunked\r\n', `0\r\n\r\n${next}`)],
    [
      'chunks twice',
      post('transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n', `0\r\n\r\n${next}`),
    ],
    [
      'a space before the colon',
      post('transfer-encoding : chunked\r\ncontent-length: 5\r\n', `0\r\n\r\n${next}`),
    ],
    ['a negative length', post('content-length: -1\r\n', '')],
    ['a length with a plus', post('content-length: +1\r\n', 'x')],
    ['a length beyond numbers', post('content-length: 99999999999999999999999\r\n', 'x')],
    ['a length in hexadecimal', post('content-length: 0x1\r\n', 'x')],
    ['a chunk of a huge size', post('transfer-encoding: chunked\r\n', 'ffffffffffffffffff\r\nx')],
    ['a chunk of a negative size', post('transfer-encoding: chunked\r\n', '-1\r\nx\r\n0\r\n\r\n')],
    ['a chunk that is longer than it says', post('transfer-encoding: chunked\r\n', '1\r\nxyz\r\n0\r\n\r\n')],
    ['bare line feeds', 'GET /topics HTTP/1.1\nhost: localhost\n\n'],
    ['a folded header', 'GET /topics HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\x00\r\n\r\n'],
    ['no host', 'GET /topics HTTP/1.1\r\n\r\n'],
    ['HTTP of another time', 'GET /topics HTTP/9.9\r\nhost: localhost\r\n\r\n'],
    ['a method that is none', 'GET\x00 /topics HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a zero in a header', 'GET /topics HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n'],
    ['a tunnel', 'CONNECT localhost:22 HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ])('%s is refused, and what hides behind it is not carried out', async (_what, text) => {
    const connection = served.open().write(Buffer.from(text, 'latin1'))
    connection.end()
    const answer = await connection.closed()
    expect(answer).toMatch(/^$|^HTTP\/1.1 4\d\d /)
    expect((await served.ask('GET', '/topics/hidden')).status).toBe(404)
  })

  it.each([
    'upgrade: websocket\r\nconnection: upgrade\r\n',
    'upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAA\r\n',
    'expect: 100-continue\r\n',
    'te: trailers\r\ntrailer: x\r\n',
  ])('%j changes nothing', async (headers) => {
    const connection = served.open().write(`GET /topics HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`)
    await connection.said(/200 OK/)
  })

  it('a body that ends at any byte is not taken for a whole one', async () => {
    const body = JSON.stringify({ value: 'the whole of it' })
    for (let length = 0; length < body.length; length++) {
      const connection = served.open()
      connection.write(
        `POST /topics/cut/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, length)}`,
      )
      connection.end()
      expect(await connection.closed()).toMatch(/^$|^HTTP\/1.1 4\d\d /)
    }
    expect((await served.ask('GET', '/topics/cut')).status).toBe(404)
  })
})

describe('in binary', () => {
  it('what is no message is refused by every route that takes one', async () => {
    await joined()
    for (const path of ['/messages', '/topics/a/groups/g/receive', '/topics/a/groups/g/settle']) {
      for (const body of [
        new Uint8Array(),
        Uint8Array.of(0),
        Uint8Array.of(1),
        new Uint8Array(1_000).fill(255),
      ]) {
        const answer = await served.ask('POST', path, body, wire)
        expect([200, 400, 404]).toContain(answer.status)
      }
    }
  })

  it('a count of anything costs nothing before it is there', async () => {
    const before = process.memoryUsage().rss
    const message = new ByteWriter()
    message.u8(1)
    message.u8(0)
    message.varint(2 ** 50)
    const answer = await served.ask('POST', '/messages', message.finish(), wire)
    expect(answer).toMatchObject({ status: 400, json: { code: 'CORRUPT' } })
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20)
  })

  it('a request of millions of small things is refused before it has become large', async () => {
    const tiny = new ByteWriter()
    tiny.u8(1)
    tiny.u8(0)
    const count = 2_000_000
    tiny.varint(count)
    for (let at = 0; at < count; at++) for (const byte of [5, 1, 97, 0, 0, 0]) tiny.u8(byte)
    expect((await served.ask('POST', '/messages', tiny.finish(), wire)).status).toBe(400)
    const { topicId, generation } = await joined()
    const ranges = Array.from({ length: 4_000_000 }, (_, at) => at)
    const token = { epoch: 1, index: 1, slot: 0 }
    const settlements = [{ partition: 0, token, outcome: 'ack' as const, ranges }]
    const settle = encodeSettleRequest({ topicId, group: 'g', generation, consumer: 'c', settlements })
    // 8 MB, of which each byte would be a number.
    const larger = new Uint8Array(settle.length * 2)
    larger.set(settle)
    expect((await served.ask('POST', '/topics/a/groups/g/settle', larger, wire)).status).toBe(413)
  })

  it('a settlement of a group and a partition that are not there is an answer, not the end of the process', async () => {
    const { topicId } = await joined()
    const token = { epoch: 1, index: 1, slot: 0 }
    const settlements = [{ partition: 99, token, outcome: 'ack' as const, ranges: [0, 1] }]
    const settle = (group: string) =>
      encodeSettleRequest({ topicId, group, generation: 1, consumer: 'c', settlements })
    expect((await served.ask('POST', '/topics/a/groups/h/settle', settle('h'), wire)).status).toBe(404)
    expect((await served.ask('POST', '/topics/a/groups/g/settle', settle('g'), wire)).status).toBe(400)
  })

  it.each(['ack', 'nack', 'reject', 'extend', 'release'] as const)(
    'numbers at the end of what a number can be are answered: %s',
    async (outcome) => {
      const { topicId, generation } = await joined()
      const most = Number.MAX_SAFE_INTEGER - 1
      const consumer = { topicId, group: 'g', generation, consumer: 'c' }
      const asked = { lease: most, maxMessages: most, maxBytes: most, wait: 0 }
      await served.ask('POST', '/topics/a/messages', { value: 1 })
      const { deliveries } = await served.broker[SERVICE].receive({ ...consumer, ...asked, wait: 5_000 })
      for (const token of [{ epoch: most, index: most, slot: most }, deliveries[0]!.token]) {
        const settlements = [{ partition: 0, token, outcome, ranges: [0, most], delay: most - 1 }]
        const settle = encodeSettleRequest({ ...consumer, settlements })
        expect((await served.ask('POST', '/topics/a/groups/g/settle', settle, wire)).status).toBe(200)
      }
      const receive = encodeReceiveRequest({ ...consumer, ...asked })
      expect((await served.ask('POST', '/topics/a/groups/g/receive', receive, wire)).status).toBe(200)
    },
  )

  it('a backoff without end is a long one', async () => {
    await served.ask('POST', '/topics', { name: 'a' })
    const backoff = { initial: 1e300, max: 1e308, factor: 1e308, jitter: 1 }
    await served.ask('POST', '/topics/a/messages', { value: 1 })
    const path = '/topics/a/groups/far'
    const { json } = await served.ask('POST', `${path}/receive`, { backoff, maxDeliveries: 1_000 })
    const leases = (json as { messages: { lease: string }[] }).messages.map(({ lease }) => lease)
    expect((await served.ask('POST', `${path}/nack`, { leases })).status).toBe(204)
  })

  it.each<[string, RecordInput]>([
    [
      'nested too deep',
      { contentType: 'json', value: `${'['.repeat(100_000)}${']'.repeat(100_000)}`, timestamp: 0 },
    ],
    ['no JSON at all', { contentType: 'json', value: '{"a":', timestamp: 0 }],
  ])('a message that claims to be JSON and is %s does not stop those behind it', async (_what, record) => {
    const { topicId } = await joined()
    await produce(topicId, record, { contentType: 'text', value: 'behind', timestamp: 0 })
    const { json } = await served.ask('GET', '/topics/a/messages')
    expect(json).toMatchObject({ messages: [{ encoding: 'base64' }, { value: 'behind' }] })
    const received = await served.ask('POST', '/topics/a/groups/g/receive', { max: 10 })
    expect(received.json).toMatchObject({ messages: [{ encoding: 'base64' }, { value: 'behind' }] })
    const following = served
      .open()
      .write(
        'GET /topics/a/messages?from=earliest HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n',
      )
    await following.said(/behind/)
  })

  it('a small message in a large request does not keep the request in memory', async () => {
    const { topicId } = await joined()
    const padded = new Uint8Array(24 << 20)
    const before = arrayBuffers()
    for (let at = 0; at < 30; at++) {
      const builder = new RecordBatchBuilder(crc32)
      builder.tryAppend({ contentType: 'text', value: `small ${at}`, timestamp: 0 })
      const request = encodeProduceRequest('all', [
        { topicId, partition: 0, packing: 0, records: builder.seal('', 0, 0) },
      ])
      padded.set(request)
      expect((await served.ask('POST', '/messages', padded, wire)).status).toBe(200)
    }
    await vi.waitFor(() => expect(arrayBuffers() - before).toBeLessThan(300 << 20), { timeout: 10_000 })
    expect((await served.ask('GET', '/topics/a/messages')).text).toContain('small 29')
  })

  it('bytes that a consumer in the process gets are its own to change', async () => {
    const { topicId } = await joined()
    await produce(topicId, { contentType: 'raw', value: Uint8Array.of(1, 2, 3), timestamp: 0 })
    for (const group of ['one', 'other']) {
      const consumer = new Consumer<Uint8Array>(served.broker, 'a', { group })
      const message = await consumer.receive()
      expect(message.value).toEqual(Uint8Array.of(1, 2, 3))
      expect(Buffer.isBuffer(message.value)).toBe(false)
      message.value.fill(9)
      await message.ack()
      await consumer.close()
    }
  })
})

it('an answer ends before it is too long, and says where to go on', async () => {
  for (let at = 0; at < 20; at++)
    await served.ask('POST', '/topics/a/messages', 'x'.repeat(1_000_000), { 'content-type': 'text/plain' })
  const first = (await served.ask('GET', '/topics/a/messages?limit=10000')).json as {
    messages: []
    nextOffset: number
  }
  expect(first.messages.length).toBeLessThan(20)
  expect(first.nextOffset).toBe(first.messages.length)
  const rest = (await served.ask('GET', `/topics/a/messages?limit=10000&from=${first.nextOffset}`)).json
  expect((rest as typeof first).nextOffset).toBe(20)
})

/** A topic `a` with a group `g`. */
async function joined(): Promise<{ topicId: string; generation: number }> {
  await served.ask('POST', '/topics', { name: 'a' })
  return (await served.ask('PUT', '/topics/a/groups/g', {})).json as { topicId: string; generation: number }
}

async function produce(topicId: string, ...records: RecordInput[]): Promise<void> {
  const batches = records.map((record) => {
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend(record)
    return { topicId, partition: 0, packing: 0, records: builder.seal('', 0, 0) }
  })
  const answer = await served.ask('POST', '/messages', encodeProduceRequest('all', batches), wire)
  expect(answer.status).toBe(200)
}

function arrayBuffers(): number {
  globalThis.gc?.()
  return process.memoryUsage().arrayBuffers
}
