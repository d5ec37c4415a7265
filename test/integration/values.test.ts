import { beforeEach, describe, expect, test } from 'vitest'
import { Admin, type Broker, Consumer, Producer, Reader } from '../../src/index.js'
import { numbers, openBroker, receiveMany } from './support/broker.js'

let broker: Broker
let producer: Producer
beforeEach(async () => {
  broker = await openBroker({ directory: ':memory:' })
  producer = new Producer(broker)
})

/** What a consumer gets of it. */
async function roundTrip(value: unknown): Promise<unknown> {
  await producer.send('values', value)
  const message = await new Consumer(broker, 'values').receive()
  await message.ack()
  return message.value
}

describe('values', () => {
  test.each([
    [null],
    [true],
    [0],
    [-1.5e300],
    [[]],
    [{}],
    [[1, 'two', { three: [null] }]],
    [{ celsius: 21.4, name: 'Dach ☀', __proto__: null }],
    [JSON.parse('{"__proto__": {"polluted": true}}')],
  ])('JSON comes back as it was sent: %j', async (value) => {
    expect(await roundTrip(value)).toEqual(value)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test.each([
    [''],
    ['21.4'],
    ['{"looks": "like JSON"}'],
    ['Zürich — 東京 — 🌡️'],
    ['\u0000'],
    ['x'.repeat(500_000)],
  ])('a string comes back as a string', async (value) => {
    expect(await roundTrip(value)).toBe(value)
  })

  test('bytes come back as bytes, of a Buffer too', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
    expect(await roundTrip(bytes)).toEqual(bytes)
    expect(await roundTrip(new Uint8Array())).toEqual(new Uint8Array())
    expect(await roundTrip(bytes.subarray(10, 20))).toEqual(bytes.slice(10, 20))
    expect(await roundTrip(Buffer.from('été'))).toEqual(new Uint8Array(Buffer.from('été')))
  })

  test('Dates, and whatever has a toJSON, come as JSON makes them', async () => {
    const at = new Date('2026-07-01T12:00:00Z')
    expect(await roundTrip({ at, gone: undefined, list: [undefined, Number.NaN] })).toEqual({
      at: '2026-07-01T12:00:00.000Z',
      list: [null, null],
    })
    expect(await roundTrip(at)).toBe('2026-07-01T12:00:00.000Z')
  })

  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a bigint', 1n],
    ['a bigint within', { count: 1n }],
    ['a cycle', cycle],
    ['an array of numbers that is no Uint8Array', new Float32Array(3)],
    ['an ArrayBuffer', new ArrayBuffer(3)],
  ])('%s is refused with INVALID_ARGUMENT, and nothing is stored', async (_, value) => {
    await expect(producer.send('values', value)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(producer.sendBatch('values', [{ value: 1 }, { value }])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await new Admin(broker).listTopics()).toEqual([])
  })

  test('a Buffer that is changed after send, while its topic is still looked for, is stored as it was', async () => {
    const broker = await openBroker()
    const producer = new Producer(broker)
    const value = Buffer.from('before')
    const key = Buffer.from('key')
    const sent = producer.send('fresh', value, { key })
    value.fill(0)
    key.fill(0)
    await sent
    const message = await new Consumer<Uint8Array>(broker, 'fresh').receive()
    expect(
      [message.value, message.key].map((bytes) => new TextDecoder().decode(bytes as Uint8Array)),
    ).toEqual(['before', 'key'])
  })

  test('send encodes before it returns: what is changed afterwards is not seen', async () => {
    for (const state of ['topic is not known yet', 'topic is known']) {
      const json = { state, list: [1] }
      const bytes = Uint8Array.of(1, 2, 3)
      const key = Uint8Array.of(9)
      const headers = { state }
      const sent = [producer.send('values', json, { headers, key }), producer.send('values', bytes)]
      json.list.push(2)
      bytes.fill(0)
      key.fill(0)
      headers.state = 'changed'
      await Promise.all(sent)
    }
    const messages = await receiveMany(new Consumer(broker, 'values'), 4)
    for (const [at, state] of [
      [0, 'topic is not known yet'],
      [2, 'topic is known'],
    ] as const) {
      expect(messages[at]!.value).toEqual({ state, list: [1] })
      expect(messages[at]!.headers).toEqual({ state })
      expect(messages[at]!.key).toEqual(Uint8Array.of(9))
      expect(messages[at + 1]!.value).toEqual(Uint8Array.of(1, 2, 3))
    }
  })

  test('bytes that one consumer changes are whole for the others, and for readers [invariant 12]', async () => {
    await producer.send('values', Uint8Array.of(1, 2, 3), { key: Uint8Array.of(4, 5) })
    for (const group of ['one', 'other']) {
      const message = await new Consumer<Uint8Array>(broker, 'values', { group }).receive()
      expect(message.value).toEqual(Uint8Array.of(1, 2, 3))
      expect(message.key).toEqual(Uint8Array.of(4, 5))
      new Uint8Array(message.value.buffer).fill(0)
      new Uint8Array((message.key as Uint8Array).buffer).fill(0)
    }
    for (let time = 0; time < 2; time++) {
      for await (const message of new Reader<Uint8Array>(broker, 'values')) {
        expect(message.value).toEqual(Uint8Array.of(1, 2, 3))
        expect(message.key).toEqual(Uint8Array.of(4, 5))
        new Uint8Array(message.value.buffer).fill(0)
        new Uint8Array((message.key as Uint8Array).buffer).fill(0)
      }
    }
  })

  test('a message above maxMessageBytes is refused, one of just that size is not', async () => {
    await new Admin(broker).createTopic('small', { maxMessageBytes: 1_000 })
    await expect(producer.send('small', 'x'.repeat(1_001))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    })
    await expect(producer.send('small', 'ü'.repeat(501))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(await producer.send('small', 'ü'.repeat(450))).toMatchObject({ offset: 0 })
    expect((await new Consumer<string>(broker, 'small').receive()).value).toBe('ü'.repeat(450))
  })
})

describe('keys, headers, timestamps', () => {
  test('keys are strings or bytes, and come back as such', async () => {
    const keys = ['sensor-1', '', 'ü', Uint8Array.of(0, 255)]
    for (const key of keys) await producer.send('keys', 1, { key })
    await producer.send('keys', 1)
    const messages = await receiveMany(new Consumer(broker, 'keys'), 5)
    expect(messages.map((message) => message.key)).toEqual([...keys, undefined])
    await expect(producer.send('keys', 1, { key: 7 as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  test('headers come back, those with unlikely names too', async () => {
    const headers = JSON.parse('{"__proto__":"a","constructor":"b","":"c","ü":"","toString":"d"}')
    await producer.send('headers', 1, { headers })
    const message = await new Consumer(broker, 'headers').receive()
    expect(Object.entries(message.headers).sort()).toEqual(Object.entries(headers).sort())
    expect(Object.hasOwn(message.headers, '__proto__')).toBe(true)
    await expect(producer.send('headers', 1, { headers: { count: 1 as never } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('count'),
    })
  })

  test('the timestamp is the sending, or what the sender says', async () => {
    const before = Date.now()
    const sent = await producer.send('times', 1)
    expect(sent.timestamp).toBeGreaterThanOrEqual(before)
    expect(sent.timestamp).toBeLessThanOrEqual(Date.now())
    await producer.send('times', 2, { timestamp: 1_000 })
    await producer.send('times', 3, { timestamp: new Date(2_000) })
    const messages = await receiveMany(new Consumer(broker, 'times'), 3)
    expect(messages.map((message) => message.timestamp)).toEqual([sent.timestamp, 1_000, 2_000])
  })

  test('a timestamp beyond the largest is refused before anything happens, for a topic not seen before too', async () => {
    for (const timestamp of [2 ** 52, -(2 ** 52), Number.MAX_SAFE_INTEGER]) {
      await expect(producer.send('far-times', 1, { timestamp })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('timestamp'),
      })
    }
    const furthest = await producer.send('far-times', 1, { timestamp: 2 ** 52 - 1 })
    expect(furthest).toMatchObject({ offset: 0, timestamp: 2 ** 52 - 1 })
  })

  test('an option that is not known is refused, with its name and a near one', async () => {
    await expect(producer.send('x', 1, { header: {} } as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/header.*headers/s),
    })
    await expect(producer.send('x', 1, { delay: 5 } as never)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(producer.send('no/such', 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('the choice of a partition', () => {
  beforeEach(async () => {
    await new Admin(broker).createTopic('parts', { partitions: 7 })
  })

  test('is what the sender says', async () => {
    for (const partition of [6, 0, 3])
      expect((await producer.send('parts', 1, { partition, key: 'k' })).partition).toBe(partition)
    await expect(producer.send('parts', 1, { partition: 7 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('0 to 6'),
    })
  })

  test("is murmur2 of the key else, as Kafka's clients choose", async () => {
    // From Kafka's own Utils.murmur2, positive, modulo 7.
    const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 }
    for (const [key, hash] of Object.entries(known)) {
      const expected = (hash & 0x7fffffff) % 7
      expect((await producer.send('parts', 1, { key })).partition).toBe(expected)
      expect((await producer.send('parts', 1, { key: Buffer.from(key) })).partition).toBe(expected)
    }
  })

  test('is that of the id as if it were the key, where there is no key', async () => {
    for (let at = 0; at < 20; at++) {
      const { partition } = await producer.send('parts', 1, { key: `n${at}` })
      expect((await producer.send('parts', 1, { id: `n${at}` })).partition).toBe(partition)
    }
  })

  test('spreads by batches else; offsets of each partition are dense from 0', async () => {
    const sent = await Promise.all(Array.from({ length: 2_000 }, (_, at) => producer.send('parts', at)))
    for (let partition = 0; partition < 7; partition++) {
      const offsets = sent.filter((one) => one.partition === partition).map(({ offset }) => offset)
      expect(offsets.length).toBeGreaterThan(0)
      expect(offsets).toEqual(numbers(offsets.length))
    }
  })
})
