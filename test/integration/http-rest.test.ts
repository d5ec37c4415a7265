import { describe, expect, test } from 'vitest'
import { Producer } from '../../src/index.js'
import { formatLease } from '../../src/transport/http/lease-text.js'
import { numbers } from './support/broker.js'
import { openHandler, openServer, type Rest, readEvents } from './support/rest.js'

interface Received {
  readonly messages: readonly {
    readonly lease: string
    readonly value: unknown
    readonly offset: number
    readonly partition: number
    readonly deliveryCount: number
  }[]
}

const NDJSON = { 'content-type': 'application/x-ndjson' }
const EVENTS = { accept: 'text/event-stream' }

describe.each([
  ['over a socket', openServer],
  ['through createHandler', openHandler],
])('%s', (_, open) => {
  /** Receives messages of topic t for group g. */
  const receive = async (rest: Rest, options: object = {}, group = 'g') => {
    const answer = await rest.ask('POST', `/topics/t/groups/${group}/receive`, options)
    expect(answer.status, answer.text).toBe(200)
    return (answer.body as unknown as Received).messages
  }
  const send = async (rest: Rest, ...values: unknown[]) => {
    const messages = values.map((value) => ({ value }))
    const answer = await rest.ask('POST', '/topics/t/messages', { messages })
    expect(answer.status, answer.text).toBe(201)
  }
  const settle = (rest: Rest, outcome: string, leases: readonly string[], more: object = {}) =>
    rest.ask('POST', `/topics/t/groups/g/${outcome}`, { leases, ...more })

  describe('publishing', () => {
    test('one message: 201 with its place; key, headers and id go with it', async () => {
      const rest = await open()
      const message = { value: { celsius: 21.4 }, key: 'k', headers: { from: 'me' }, id: 'a' }
      const first = await rest.ask('POST', '/topics/t/messages', message)
      expect(first).toMatchObject({ status: 201, body: { partition: 0, offset: 0, duplicate: false } })
      const again = await rest.ask('POST', '/topics/t/messages', message)
      expect(again).toMatchObject({ status: 201, body: { offset: 0, duplicate: true } })
      const { body } = await rest.ask('GET', '/topics/t/messages')
      expect(body.messages).toEqual([
        expect.objectContaining({ key: 'k', headers: { from: 'me' }, value: { celsius: 21.4 }, offset: 0 }),
      ])
      expect(body).toMatchObject({ partition: 0, nextOffset: 1, endOffset: 1 })
    })

    test('several, and a line each: in their order', async () => {
      const rest = await open()
      const many = await rest.ask('POST', '/topics/t/messages', {
        messages: [{ value: 1 }, { value: 'two' }],
      })
      expect(many.body.messages).toMatchObject([{ offset: 0 }, { offset: 1 }])
      const lines = await rest.ask('POST', '/topics/t/messages', '{"value":3}\n\n{"value":null}\r\n', {
        headers: NDJSON,
      })
      expect(lines).toMatchObject({ status: 201, body: { messages: [{ offset: 2 }, { offset: 3 }] } })
      const { body } = await rest.ask('GET', '/topics/t/messages')
      expect((body as unknown as Received).messages.map(({ value }) => value)).toEqual([1, 'two', 3, null])
    })

    test('many of 100 KB read back in several answers, none of them too long', async () => {
      const rest = await open()
      const producer = new Producer(rest.broker)
      await producer.sendBatch(
        't',
        numbers(200).map(() => ({ value: 'x'.repeat(100_000) })),
      )
      let from = 0
      let answers = 0
      while (from < 200) {
        const { text, body } = await rest.ask('GET', `/topics/t/messages?from=${from}&limit=10000`)
        expect(text.length).toBeLessThan(19_000_000)
        from = body.nextOffset as unknown as number
        answers++
      }
      expect(answers).toBeGreaterThan(1)
    })

    test('text and bytes are values of their own; the query says key, id and partition', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', partitions: 3 })
      const text = await rest.ask('POST', '/topics/t/messages?partition=2&key=k', 'grüezi', {
        headers: { 'content-type': 'text/plain; charset=utf-8' },
      })
      expect(text).toMatchObject({ status: 201, body: { partition: 2, offset: 0 } })
      const bytes = new Uint8Array([0, 255, 1])
      const raw = { headers: { 'content-type': 'image/png' } }
      expect((await rest.ask('POST', '/topics/t/messages?partition=2&id=7', bytes, raw)).status).toBe(201)
      expect((await rest.ask('POST', '/topics/t/messages?partition=2&id=7', bytes, raw)).body.duplicate).toBe(
        true,
      )
      const base64 = { value: 'AP8B', encoding: 'base64', partition: 2 }
      expect((await rest.ask('POST', '/topics/t/messages', base64)).status).toBe(201)
      const { body } = await rest.ask('GET', '/topics/t/messages?partition=2')
      expect(body.messages).toMatchObject([
        { value: 'grüezi', key: 'k' },
        { value: 'AP8B', encoding: 'base64' },
        { value: 'AP8B', encoding: 'base64' },
      ])
    })

    test('a key or partition in the query holds for all of several; an id cannot', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', partitions: 3 })
      const lines = '{"value":1}\n{"value":2,"partition":1}'
      const sent = await rest.ask('POST', '/topics/t/messages?partition=2', lines, { headers: NDJSON })
      expect(sent.body.messages).toMatchObject([{ partition: 2 }, { partition: 1 }])
      const many = await rest.ask('POST', '/topics/t/messages?id=x', { messages: [{ value: 1 }] })
      expect(many).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } })
    })

    test('some of several too large: 207 says which; all: 413', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', maxMessageBytes: 100 })
      const large = { value: 'x'.repeat(1_000) }
      const some = await rest.ask('POST', '/topics/t/messages', { messages: [{ value: 1 }, large] })
      expect(some.status, some.text).toBe(207)
      expect(some.body.messages).toMatchObject([{ offset: 0 }, { error: { code: 'MESSAGE_TOO_LARGE' } }])
      expect(await rest.ask('POST', '/topics/t/messages', large)).toMatchObject({
        status: 413,
        body: { code: 'MESSAGE_TOO_LARGE' },
      })
    })
  })

  describe('receiving', () => {
    test('leases messages, waits for one, and acks once and for all', async () => {
      const rest = await open()
      await send(rest, 1)
      const [one] = await receive(rest)
      expect(one).toMatchObject({ value: 1, deliveryCount: 1, offset: 0, partition: 0 })
      expect(await receive(rest)).toEqual([])
      const waiting = receive(rest, { wait: 30_000, max: 5 })
      await send(rest, 2)
      const [two] = await waiting
      expect(two).toMatchObject({ value: 2 })
      for (const lease of [one!.lease, two!.lease]) {
        expect(await settle(rest, 'ack', [lease])).toMatchObject({ status: 204, text: '' })
        expect(await settle(rest, 'ack', [lease])).toMatchObject({ status: 204 })
      }
      const { body } = await rest.ask('GET', '/topics/t/groups/g')
      expect(body.partitions).toMatchObject([{ lag: 0, acked: 2, inFlight: 0 }])
    })

    test('many acked in one request, twice, in any order, some of them named twice', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', partitions: 3 })
      await rest.ask('POST', '/topics/t/messages', {
        messages: numbers(30).map((value) => ({ value, partition: value % 3 })),
      })
      const leases: string[] = []
      while (leases.length < 30) {
        const got = await receive(rest, { max: 100, consumer: 'me', wait: 5_000 })
        leases.push(...got.map(({ lease }) => lease))
      }
      expect((await settle(rest, 'ack', [...leases, leases[0]!])).status).toBe(204)
      expect((await settle(rest, 'ack', leases.reverse())).status).toBe(204)
    })

    test('nack brings back, reject buries, release does not count, extend goes on', async () => {
      const rest = await open()
      await send(rest, 'a')
      const first = (await receive(rest))[0]!
      expect((await settle(rest, 'release', [first.lease])).status).toBe(204)
      const second = (await receive(rest, { wait: 5_000 }))[0]!
      expect(second.deliveryCount).toBe(1)
      expect((await settle(rest, 'nack', [second.lease], { delay: 0, reason: 'not now' })).status).toBe(204)
      const third = (await receive(rest, { wait: 5_000, lease: 60_000 }))[0]!
      expect(third.deliveryCount).toBe(2)
      expect((await settle(rest, 'extend', [third.lease], { duration: 600_000 })).status).toBe(204)
      const explained = await rest.ask('GET', '/topics/t/groups/g/explain?partition=0&offset=0')
      expect(explained.body.state).toBe('leased')
      expect(Date.parse(explained.body.until as unknown as string) - Date.now()).toBeGreaterThan(300_000)
      expect((await settle(rest, 'reject', [third.lease], { reason: 'broken' })).status).toBe(204)
      const dead = await rest.ask('GET', '/topics/t.dead/messages?wait=5000')
      expect(dead.body.messages, dead.text).toMatchObject([{ value: 'a' }])
    })

    test('a lost lease is a conflict that names it; the others are settled', async () => {
      const rest = await open()
      await send(rest, 1, 2)
      const [one, two] = await receive(rest, { max: 2 })
      expect((await settle(rest, 'nack', [one!.lease], { delay: 0 })).status).toBe(204)
      const answer = await settle(rest, 'ack', [one!.lease, two!.lease])
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer).toMatchObject({
        status: 409,
        body: { code: 'LEASE_LOST', status: 409, title: 'lease lost', lost: [one!.lease] },
      })
      expect((await rest.ask('GET', '/topics/t/groups/g')).body.partitions).toMatchObject([{ acked: 1 }])
    })

    test('leases of before a seek, and of a topic that was made again, are lost', async () => {
      const rest = await open()
      await send(rest, 1)
      const [one] = await receive(rest)
      expect((await rest.ask('POST', '/topics/t/groups/g/seek', { to: 'earliest' })).status).toBe(204)
      expect((await settle(rest, 'ack', [one!.lease])).status).toBe(409)
      const [again] = await receive(rest)
      expect((await rest.ask('DELETE', '/topics/t')).status).toBe(204)
      expect((await settle(rest, 'ack', [again!.lease])).status).toBe(404)
      await send(rest, 2)
      await receive(rest)
      expect(await settle(rest, 'ack', [again!.lease])).toMatchObject({
        status: 409,
        body: { lost: [again!.lease] },
      })
    })

    test('who has gone is sent nothing: the message is there for the next, uncounted', async () => {
      const rest = await open()
      await send(rest, 0)
      expect(
        (
          await settle(
            rest,
            'ack',
            (await receive(rest)).map(({ lease }) => lease),
          )
        ).status,
      ).toBe(204)
      const gone = new AbortController()
      const waiting = rest.open(
        'POST',
        '/topics/t/groups/g/receive',
        { wait: 60_000, lease: 86_400_000, consumer: 'gone' },
        { signal: gone.signal },
      )
      waiting.catch(() => {})
      await expect
        .poll(async () => (await rest.ask('GET', '/topics/t/groups/g')).body.partitions)
        .toMatchObject([{ members: ['gone'] }])
      gone.abort()
      await expect
        .poll(async () => (await rest.ask('GET', '/topics/t/groups/g')).body.partitions)
        .toMatchObject([{ members: [] }])
      await send(rest, 1)
      expect(await receive(rest, { wait: 5_000 })).toMatchObject([{ value: 1, deliveryCount: 1 }])
    })

    test('settings are those of the first; other ones are a conflict', async () => {
      const rest = await open()
      await send(rest, 1)
      await receive(rest, { maxDeliveries: 2, backoff: { initial: 0 } })
      const other = await rest.ask('POST', '/topics/t/groups/g/receive', { maxDeliveries: 3 })
      expect(other).toMatchObject({ status: 409, body: { code: 'GROUP_CONFLICT' } })
      expect(
        (await rest.ask('PATCH', '/topics/t/groups/g', { maxDeliveries: 3 })).body.settings,
      ).toMatchObject({
        maxDeliveries: 3,
        backoff: { initial: 0 },
      })
    })

    test('nothing at all is needed in the body', async () => {
      const rest = await open()
      await send(rest, 1, 2)
      expect((await rest.ask('POST', '/topics/t/groups/g/receive')).body.messages).toHaveLength(1)
      const empty = {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }
      expect((await rest.ask('POST', '/topics/t/groups/g/receive', '', empty)).body.messages).toHaveLength(1)
    })

    test('a lease of a partition that is not, for a group that is not, is an error and no more', async () => {
      const rest = await open()
      await send(rest, 1)
      const topicId = (await rest.ask('GET', '/topics/t')).body.id as unknown as string
      const token = { epoch: 1, index: 1, slot: 0 }
      const lease = formatLease({ topicId, generation: 1, partition: 99, offset: 0, token, consumer: 'c' })
      expect((await settle(rest, 'ack', [lease])).status).toBe(404)
      await receive(rest)
      expect((await settle(rest, 'ack', [lease])).status).toBe(400)
      expect((await settle(rest, 'ack', ['nonsense'])).body.code).toBe('INVALID_ARGUMENT')
    })
  })

  describe('reading', () => {
    test('from an offset, a time, or an end; waits for more', async () => {
      const rest = await open()
      await send(rest, 0, 1, 2)
      const values = async (query: string) => {
        const { body, status, text } = await rest.ask('GET', `/topics/t/messages${query}`)
        expect(status, text).toBe(200)
        return (body as unknown as Received).messages.map(({ value }) => value)
      }
      expect(await values('')).toEqual([0, 1, 2])
      expect(await values('?from=1&limit=1')).toEqual([1])
      expect(await values('?from=2')).toEqual([2])
      expect(await values('?from=latest')).toEqual([])
      expect(await values('?from=2020-01-01T00:00:00Z')).toEqual([0, 1, 2])
      expect(await values(`?from=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([])
      const waiting = values('?from=latest&wait=30000')
      const sent = send(rest, 3)
      expect(await waiting).toEqual([3])
      await sent
      expect((await rest.ask('GET', '/topics/t/partitions/0/offset?at=latest')).body).toEqual({ offset: 4 })
      expect((await rest.ask('GET', '/topics/t/messages?from=9')).body.code).toBe('OFFSET_OUT_OF_RANGE')
      expect((await rest.ask('GET', '/topics/t/messages?from=soon')).status).toBe(400)
      expect((await rest.ask('GET', '/topics/t/messages?partition=1')).status).toBe(400)
    })

    test('follows several partitions, and goes on where it left', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', partitions: 3 })
      const sendTo = (partition: number, ...values: number[]) =>
        rest.ask('POST', '/topics/t/messages', { messages: values.map((value) => ({ value, partition })) })
      await sendTo(0, 1, 2)
      await sendTo(2, 3)
      const first = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers: EVENTS })
      expect(first.headers.get('content-type')).toBe('text/event-stream')
      const events = (await readEvents(first, 2)).slice(0, 2)
      const { id } = events[1]!
      await sendTo(1, 4, 5)
      const headers = { ...EVENTS, 'last-event-id': id }
      const rested = await readEvents(await rest.open('GET', '/topics/t/messages', undefined, { headers }), 3)
      const seen = [...events, ...rested].map(({ data }) => data.value as number)
      expect(seen.sort()).toEqual([1, 2, 3, 4, 5])
      const one = await rest.open('GET', '/topics/t/messages?partition=1&from=1', undefined, {
        headers: EVENTS,
      })
      expect(await readEvents(one, 1)).toMatchObject([
        { id: '1:2', data: { value: 5, partition: 1, offset: 1 } },
      ])
    })

    test('whoever resumes at any event misses nothing, and sees nothing twice', async () => {
      const rest = await open()
      await rest.ask('POST', '/topics', { name: 't', partitions: 4 })
      const messages = numbers(40).map((value) => ({ value, partition: value % 4 }))
      await rest.ask('POST', '/topics/t/messages', { messages })
      const seen: number[] = []
      let headers: Record<string, string> = EVENTS
      for (const count of [1, 3, 7, 2, 11, 1, 15]) {
        const response = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers })
        const events = (await readEvents(response, count)).slice(0, count)
        seen.push(...events.map(({ data }) => data.value as number))
        headers = { ...EVENTS, 'last-event-id': events.at(-1)!.id }
      }
      expect(seen.sort((a, b) => a - b)).toEqual(numbers(40))
    })

    test('partitions that were added since the last event begin at their beginning', async () => {
      const rest = await open()
      await send(rest, 1)
      const first = await rest.open('GET', '/topics/t/messages?from=earliest', undefined, { headers: EVENTS })
      const [event] = await readEvents(first, 1)
      await rest.ask('PUT', '/topics/t/partitions', { partitions: 2 })
      await rest.ask('POST', '/topics/t/messages', { value: 2, partition: 1 })
      const headers = { ...EVENTS, 'last-event-id': event!.id }
      const next = await rest.open('GET', '/topics/t/messages', undefined, { headers })
      expect(await readEvents(next, 1)).toMatchObject([{ data: { value: 2 } }])
      const wrong = await rest.ask('GET', '/topics/t/messages', undefined, {
        headers: { ...EVENTS, 'last-event-id': 'what' },
      })
      expect(wrong.status).toBe(400)
    })
  })

  describe('topics, groups, cluster', () => {
    test('a topic is made, listed, described, changed, grown, deleted', async () => {
      const rest = await open()
      const made = await rest.ask('POST', '/topics', {
        name: 'orders',
        partitions: 2,
        retention: { age: 9_000 },
      })
      expect(made).toMatchObject({ status: 201, body: { name: 'orders', config: { partitions: 2 } } })
      expect(made.headers.get('location')).toBe('/topics/orders')
      expect(await rest.ask('POST', '/topics', { name: 'orders' })).toMatchObject({
        status: 409,
        body: { code: 'TOPIC_EXISTS' },
      })
      expect((await rest.ask('GET', '/topics')).body.topics).toMatchObject([
        { name: 'orders', partitions: 2 },
      ])
      const changed = await rest.ask('PATCH', '/topics/orders', { retention: { age: null, after: 0 } })
      expect(changed.body.config).toMatchObject({ retention: { after: 0 } })
      expect(changed.text).not.toContain('"age"')
      const grown = await rest.ask('PUT', '/topics/orders/partitions', { partitions: 3 })
      expect(grown.body.partitions).toHaveLength(3)
      expect((await rest.ask('GET', '/topics/orders/route')).body).toMatchObject({
        name: 'orders',
        partitions: 3,
      })
      expect((await rest.ask('DELETE', '/topics/orders')).status).toBe(204)
      expect(await rest.ask('DELETE', '/topics/orders')).toMatchObject({
        status: 404,
        body: { code: 'TOPIC_NOT_FOUND' },
      })
      expect((await rest.ask('GET', '/topics')).body).toEqual({ topics: [] })
    })

    test('a group is made, listed, paused, moved, deleted', async () => {
      const rest = await open()
      await send(rest, 1, 2)
      const joined = await rest.ask('PUT', '/topics/t/groups/g', { from: 'latest', deadLetter: false })
      expect(joined).toMatchObject({ status: 200, body: { partitions: 1, settings: { deadLetter: false } } })
      expect(await receive(rest)).toEqual([])
      expect((await rest.ask('POST', '/topics/t/groups/g/seek', { to: 1 })).status).toBe(204)
      expect((await rest.ask('POST', '/topics/t/groups/g/pause')).status).toBe(204)
      expect(await receive(rest)).toEqual([])
      expect((await rest.ask('GET', '/topics/t/groups')).body.groups).toEqual([
        { name: 'g', topic: 't', paused: true, lag: 1 },
      ])
      expect((await rest.ask('POST', '/topics/t/groups/g/resume')).status).toBe(204)
      expect(await receive(rest)).toMatchObject([{ value: 2 }])
      expect(
        (await rest.ask('POST', '/topics/t/groups/g/seek', { to: new Date(0).toISOString() })).status,
      ).toBe(204)
      expect(await receive(rest, { max: 2 })).toMatchObject([{ value: 1 }, { value: 2 }])
      expect((await rest.ask('DELETE', '/topics/t/groups/g')).status).toBe(204)
      expect(await rest.ask('GET', '/topics/t/groups/g')).toMatchObject({
        status: 404,
        body: { code: 'GROUP_NOT_FOUND' },
      })
      const missing = await rest.ask('PUT', '/topics/t/groups/g', { create: false })
      expect(missing).toMatchObject({ status: 404, body: { code: 'GROUP_NOT_FOUND' } })
      expect((await rest.ask('PUT', '/topics/t/groups/g', { from: 3 })).status).toBe(400)
    })

    test('the cluster says who is there', async () => {
      const rest = await open()
      const { body, status } = await rest.ask('GET', '/cluster')
      expect(status).toBe(200)
      expect(body.brokers).toMatchObject([{ id: rest.broker.id }])
    })
  })

  describe('locks', () => {
    test('one holder at a time; the token rises; who waits gets it', async () => {
      const rest = await open()
      const first = await rest.ask('POST', '/locks/l', { ttl: 60_000 })
      expect(first.status).toBe(200)
      const token = first.body.token as unknown as number
      expect(await rest.ask('POST', '/locks/l')).toMatchObject({ status: 204, text: '' })
      expect((await rest.ask('PUT', `/locks/l/${token}`)).status).toBe(204)
      const waiting = rest.ask('POST', '/locks/l', { wait: 30_000 })
      expect((await rest.ask('DELETE', `/locks/l/${token}`)).status).toBe(204)
      const second = (await waiting).body.token as unknown as number
      expect(second).toBeGreaterThan(token)
      expect((await rest.ask('DELETE', `/locks/l/${token}`)).status).toBe(204)
      expect(await rest.ask('PUT', `/locks/l/${token}`)).toMatchObject({
        status: 409,
        body: { code: 'LOCK_LOST' },
      })
      expect((await rest.ask('PUT', '/locks/l/x')).status).toBe(400)
    })
  })

  describe('what cannot be', () => {
    test('is a problem that says what to do', async () => {
      const rest = await open()
      await send(rest, 1)
      const cases: [string, string, unknown, Record<string, string>, number, string][] = [
        ['GET', '/nowhere', undefined, {}, 404, 'There is nothing at GET /nowhere'],
        ['PUT', '/topics', undefined, {}, 405, 'takes GET, HEAD, POST, not PUT'],
        ['GET', '/topics/missing', undefined, {}, 404, 'missing'],
        ['GET', '/topics/t/messages?limit=ten', undefined, {}, 400, "'limit' must be a whole number"],
        ['GET', '/topics/t/messages?limit=0', undefined, {}, 400, 'from 1 to'],
        ['GET', '/topics/t/messages?form=1', undefined, {}, 400, "no query parameter 'form'"],
        ['GET', '/topics/t/messages?limit=1&limit=2', undefined, {}, 400, 'more than once'],
        ['GET', '/topics?x=1', undefined, {}, 400, 'Known: none'],
        [
          'POST',
          '/topics/t/messages',
          'value=1',
          { 'content-type': 'application/x-www-form-urlencoded' },
          415,
          '-H',
        ],
        [
          'POST',
          '/topics/t/groups/g/receive',
          'max=1',
          { 'content-type': 'application/x-www-form-urlencoded' },
          415,
          '-H',
        ],
        ['POST', '/topics/t/messages', '{"value":', { 'content-type': 'application/json' }, 400, 'not JSON'],
        ['POST', '/topics/t/messages', '{"value":1}\n{"val":1}', NDJSON, 400, 'Line 2'],
        ['POST', '/topics/t/messages', '', NDJSON, 400, 'no message'],
        [
          'POST',
          '/topics/t/messages',
          new Uint8Array([0x22, 0xff, 0x22]),
          { 'content-type': 'application/json' },
          400,
          'UTF-8',
        ],
        ['POST', '/topics/t/messages', { vlaue: 1 }, {}, 400, "'value'"],
        ['POST', '/topics/t/messages', { value: 1, partition: 7 }, {}, 400, 'partitions 0 to 0'],
        ['POST', '/topics/t/messages', { value: '*', encoding: 'base64' }, {}, 400, 'base64'],
        ['POST', '/topics/t/messages', [1], {}, 400, 'object'],
        ['POST', '/topics', { name: 'a/b' }, {}, 400, 'topic name'],
        [
          'POST',
          '/topics',
          { name: 'x', partitions: '4' },
          {},
          400,
          'body.partitions must be a whole number',
        ],
        ['GET', '/topics/%2e%2e%2fetc', undefined, {}, 400, 'slash'],
        ['GET', '/topics/%zz', undefined, {}, 400, 'percent sign'],
        ['GET', `/topics?${'x'.repeat(5_000)}`, undefined, {}, 414, 'characters'],
        ['POST', '/topics/t/groups/g/ack', {}, {}, 400, "'leases'"],
        ['POST', '/topics/t/groups/a b/receive', {}, {}, 400, 'group name'],
        ['POST', '/topics/t/groups/g/receive', { wait: -1 }, {}, 400, 'from 0 to 60000'],
        ['POST', '/messages', {}, {}, 415, 'application/vnd.portal-mq'],
        ['POST', '/messages', 'garbage', { 'content-type': 'application/vnd.portal-mq' }, 400, ''],
        ['GET', '/topics/t/partitions/x/offset', undefined, {}, 400, 'whole number'],
        ['GET', '/topics/t/partitions/9/offset', undefined, {}, 400, 'partitions 0 to 0'],
      ]
      for (const [method, path, body, headers, status, words] of cases) {
        const answer = await rest.ask(method, path, body, { headers })
        const where = `${method} ${path.slice(0, 60)} ${JSON.stringify(body)}: ${answer.text}`
        expect(answer.status, where).toBe(status)
        expect(answer.headers.get('content-type'), where).toBe('application/problem+json')
        expect(answer.body, where).toMatchObject({
          type: expect.stringContaining('urn:portal-mq:error:'),
          title: expect.any(String),
          status,
          code: expect.any(String),
          retriable: false,
        })
        expect(answer.body.detail, where).toContain(words)
      }
    })

    test('a body that is too long: 413, whether it says so or not', async () => {
      const rest = await open()
      const body = new Uint8Array((32 << 20) + 1)
      const answer = await rest.ask('POST', '/topics/t/messages', body, {
        headers: { 'content-type': 'text/plain' },
      })
      expect(answer).toMatchObject({ status: 413, body: { code: 'MESSAGE_TOO_LARGE' } })
    })

    test('what a path takes is said to whoever asks for it', async () => {
      const rest = await open()
      const wrong = await rest.ask('DELETE', '/topics')
      expect(wrong.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS')
      const options = await rest.ask('OPTIONS', '/topics/t/groups/g')
      expect(options).toMatchObject({ status: 204, text: '' })
      expect(options.headers.get('allow')).toBe('GET, HEAD, PUT, PATCH, DELETE, OPTIONS')
      expect((await rest.ask('OPTIONS', '/nowhere')).status).toBe(404)
    })

    test('HEAD is GET without the body; a slash at the end means nothing', async () => {
      const rest = await open()
      await send(rest, 1)
      const head = await rest.ask('HEAD', '/topics/t')
      expect(head).toMatchObject({ status: 200, text: '' })
      expect(head.headers.get('content-type')).toContain('application/json')
      expect((await rest.ask('HEAD', '/topics/missing')).status).toBe(404)
      expect((await rest.ask('HEAD', '/topics/t/messages', undefined, { headers: EVENTS })).status).toBe(200)
      expect((await rest.ask('GET', '/topics/t/')).body.name).toBe('t')
      expect((await rest.ask('POST', '/topics/t/messages/', { value: 1 })).status).toBe(201)
    })
  })

  test('the root shows the way', async () => {
    const rest = await open()
    expect((await rest.ask('GET', '/')).body).toMatchObject({ name: 'portal-mq', docs: '/docs' })
    const browser = await rest.ask('GET', '/', undefined, { headers: { accept: 'text/html,*/*;q=0.8' } })
    expect(browser.status).toBe(302)
    expect(browser.headers.get('location')).toBe('/docs')
  })
})
