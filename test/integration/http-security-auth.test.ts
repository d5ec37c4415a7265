import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { connect, type HttpRule } from '../../src/http.js'
import { Admin, Consumer, Lock, Producer, Reader } from '../../src/index.js'
import { encodeProduceRequest } from '../../src/protocol/wire/produce.js'
import { encodeReceiveRequest } from '../../src/protocol/wire/receive.js'
import { encodeSettleRequest } from '../../src/protocol/wire/settle.js'
import { encodeStreamRequest } from '../../src/protocol/wire/stream.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { certificates } from '../support/certificates.js'
import { type HttpBroker, openTls, serveBroker } from './support/http-broker.js'

const names = ['sensor', 'controller', 'admin', 'nobody'] as const
type Name = (typeof names)[number]

const tokenOf = (name: Name) => `the-token-of-${name}-s3cret`
const tokens = names.map((principal) => ({ principal, token: tokenOf(principal) }))
const as = (name: Name) => ({ authorization: `Bearer ${tokenOf(name)}` })

const rules: readonly HttpRule[] = [
  { principal: 'sensor', produce: ['temp_*'] },
  { principal: 'controller', consume: ['temp_*'], lock: ['controllers'] },
  { principal: 'admin', admin: ['*'] },
]

describe('without a token that is known', () => {
  it.each([
    {},
    { authorization: 'Bearer wrong' },
    { authorization: `Basic ${tokenOf('admin')}` },
    { authorization: `Bearer ${tokenOf('admin')}x` },
  ])('nothing is told: %o', async (headers) => {
    const { ask, log } = await serveBroker({ auth: { tokens } })
    for (const path of ['/topics', '/nothing-there', '/topics/%zz', '/cluster']) {
      const answer = await ask('GET', path, undefined, headers as Record<string, string>)
      expect(answer).toMatchObject({ status: 401, json: { code: 'UNAUTHENTICATED' } })
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="portal-mq"')
      expect(answer.text).not.toContain('s3cret')
    }
    expect(log.lines).toEqual([])
  })

  it('a client gets UNAUTHENTICATED', async () => {
    const { url } = await serveBroker({ auth: { tokens } })
    const remote = connect(url)
    await expect(new Admin(remote).listTopics()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await remote.close()
  })
})

it('with a token and without rules everything works, through every client', async () => {
  const { url } = await serveBroker({ auth: { tokens } })
  const remote = connect(url, { token: tokenOf('nobody') })
  const producer = new Producer(remote)
  await producer.send('orders', { id: 1 })
  const consumer = new Consumer<{ id: number }>(remote, 'orders')
  const message = await consumer.receive()
  expect(message.value).toEqual({ id: 1 })
  await message.ack()
  const held = await new Lock(remote, 'nightly').acquire()
  await held.release()
  expect(await new Admin(remote).describeCluster()).toMatchObject({ topics: 2 })
  await consumer.close()
  await producer.close()
  await remote.close()
})

it('a function says whose token it is, and no secret is logged when it fails', async () => {
  let fails = false
  const { ask, log } = await serveBroker({
    auth: {
      authenticate: async (token) => {
        if (fails) throw new Error(`No table for ${token}`)
        return token === 'anna-s3cret' ? 'anna' : undefined
      },
    },
  })
  const headers = { authorization: 'Bearer anna-s3cret' }
  expect((await ask('GET', '/topics', undefined, headers)).status).toBe(200)
  expect((await ask('GET', '/topics', undefined, { authorization: 'Bearer other' })).status).toBe(401)
  fails = true
  expect(await ask('GET', '/topics', undefined, headers)).toMatchObject({
    status: 503,
    json: { retriable: true },
  })
  expect(log.lines).toHaveLength(1)
  expect(inspect(log.lines, { depth: 9 })).not.toContain('s3cret')
})

describe('rules', () => {
  it.each<[string, Name, string, string, unknown, number]>([
    ['a sensor sends', 'sensor', 'POST', '/topics/temp_1/messages', { value: 1 }, 201],
    ['a sensor makes its topic by sending', 'sensor', 'POST', '/topics/temp_9/messages', { value: 1 }, 201],
    ['a sensor looks its topic up', 'sensor', 'GET', '/topics/temp_1/route', undefined, 200],
    ['a sensor sends elsewhere', 'sensor', 'POST', '/topics/orders/messages', { value: 1 }, 403],
    ['a sensor reads', 'sensor', 'GET', '/topics/temp_1/messages', undefined, 403],
    ['a sensor follows', 'sensor', 'GET', '/topics/temp_1/messages?wait=1', undefined, 403],
    ['a sensor consumes', 'sensor', 'POST', '/topics/temp_1/groups/g/receive', {}, 403],
    ['a sensor lists groups', 'sensor', 'GET', '/topics/temp_1/groups', undefined, 403],
    ['a sensor describes a group', 'sensor', 'GET', '/topics/temp_1/groups/g', undefined, 403],
    ['a sensor makes a topic', 'sensor', 'POST', '/topics', { name: 'temp_2' }, 403],
    ['a sensor deletes a topic', 'sensor', 'DELETE', '/topics/temp_1', undefined, 403],
    ['a sensor changes a topic', 'sensor', 'PATCH', '/topics/temp_1', { maxMessageBytes: 1 }, 403],
    ['a sensor adds partitions', 'sensor', 'PUT', '/topics/temp_1/partitions', { partitions: 9 }, 403],
    [
      'a sensor makes another topic by looking',
      'sensor',
      'GET',
      '/topics/orders2/route?create=true',
      undefined,
      403,
    ],
    ['a sensor takes a lock', 'sensor', 'POST', '/locks/controllers', {}, 403],
    ['a sensor asks which brokers there are', 'sensor', 'GET', '/cluster', undefined, 200],
    ['a controller consumes', 'controller', 'POST', '/topics/temp_1/groups/g/receive', {}, 200],
    ['a controller reads', 'controller', 'GET', '/topics/temp_1/messages', undefined, 200],
    ['a controller consumes elsewhere', 'controller', 'POST', '/topics/orders/groups/g/receive', {}, 403],
    ['a controller joins elsewhere', 'controller', 'PUT', '/topics/orders/groups/g', {}, 403],
    ['a controller sends', 'controller', 'POST', '/topics/temp_1/messages', { value: 1 }, 403],
    [
      'a controller makes a topic by looking',
      'controller',
      'GET',
      '/topics/temp_7/route?create=true',
      undefined,
      403,
    ],
    ['a controller looks elsewhere', 'controller', 'GET', '/topics/orders/route', undefined, 403],
    ['a controller pauses', 'controller', 'POST', '/topics/temp_1/groups/g/pause', undefined, 403],
    ['a controller seeks', 'controller', 'POST', '/topics/temp_1/groups/g/seek', { to: 0 }, 403],
    ['a controller deletes its group', 'controller', 'DELETE', '/topics/temp_1/groups/g', undefined, 403],
    [
      'a controller has its dead sent elsewhere',
      'controller',
      'PUT',
      '/topics/temp_1/groups/h',
      { deadLetter: 'orders' },
      403,
    ],
    [
      'the same by consuming',
      'controller',
      'POST',
      '/topics/temp_1/groups/h/receive',
      { deadLetter: 'orders' },
      403,
    ],
    ['a controller takes its lock', 'controller', 'POST', '/locks/controllers', {}, 200],
    ['a controller takes another lock', 'controller', 'POST', '/locks/other', {}, 403],
    ['a controller releases another lock', 'controller', 'DELETE', '/locks/other/1', undefined, 403],
    ['a controller renews another lock', 'controller', 'PUT', '/locks/other/1', undefined, 403],
    ['an administrator makes a topic', 'admin', 'POST', '/topics', { name: 'more' }, 201],
    ['an administrator reads', 'admin', 'GET', '/topics/temp_1/messages', undefined, 403],
    ['an administrator sends', 'admin', 'POST', '/topics/temp_1/messages', { value: 1 }, 403],
    [
      'an administrator has the dead sent elsewhere',
      'admin',
      'PATCH',
      '/topics/temp_1/groups/own',
      { deadLetter: 'orders' },
      403,
    ],
    ['an administrator describes the cluster', 'admin', 'GET', '/cluster', undefined, 200],
    ['nobody describes a topic', 'nobody', 'GET', '/topics/temp_1', undefined, 403],
    ['nobody asks why', 'nobody', 'GET', '/topics/temp_1/groups/own/explain', undefined, 403],
  ])('%s', async (_what, name, method, path, body, status) => {
    const { ask } = await serveWithTopics()
    const answer = await ask(method, path, body, as(name))
    expect(answer.status, answer.text).toBe(status)
    if (status === 403) expect(answer.json).toMatchObject({ code: 'FORBIDDEN', retriable: false })
  })

  it('show each only the topics that are theirs', async () => {
    const { ask } = await serveWithTopics()
    const seen = async (name: Name) => {
      const { json } = await ask('GET', '/topics', undefined, as(name))
      return (json as { topics: { name: string }[] }).topics.map((topic) => topic.name)
    }
    expect(await seen('sensor')).toEqual(['temp_1', 'temp_1.dead'])
    expect(await seen('admin')).toEqual(['orders', 'orders.dead', 'temp_1', 'temp_1.dead'])
    expect(await seen('nobody')).toEqual([])
  })

  it('cannot be gone round by the id of a topic', async () => {
    const { ask, orders } = await serveWithTopics()
    const get = async (path: string) => (await ask('GET', path, undefined, as('controller'))).status
    expect(await get(`/topics/~${orders}/partitions/0/messages?offset=0`)).toBe(403)
    expect(await get(`/topics/~${orders}/partitions/0/offset`)).toBe(403)
    expect(await get(`/topics/%7e${orders}/partitions/0/messages?offset=0`)).toBe(403)
    expect(await get(`/topics/~${orders}/messages`)).toBe(403)
    for (const path of [`/topics/~${orders}`, `/topics/~${orders}/groups`]) expect(await get(path)).toBe(400)
  })

  it('cannot be gone round in binary', async () => {
    const { ask, orders, generation } = await serveWithTopics()
    const wire = { 'content-type': WIRE_TYPE, accept: WIRE_TYPE }
    const consumer = { topicId: orders, group: 'own', generation, consumer: 'c' }
    const post = async (name: Name, path: string, body: Uint8Array) =>
      (await ask('POST', path, body, { ...wire, ...as(name) })).status
    const batch = { topicId: orders, partition: 0, packing: 0, records: new Uint8Array(9) }
    expect(await post('sensor', '/messages', encodeProduceRequest('all', [batch]))).toBe(403)
    // The path says one topic, the body another.
    const receive = encodeReceiveRequest({ ...consumer, lease: 1_000, maxMessages: 1, maxBytes: 1, wait: 0 })
    expect(await post('controller', '/topics/temp_1/groups/own/receive', receive)).toBe(403)
    const credit = { messages: 1, bytes: 1 }
    const stream = encodeStreamRequest({ ...consumer, lease: 1_000, stream: 'a-stream', credit })
    expect(await post('controller', '/topics/temp_1/groups/own/stream', stream)).toBe(403)
    const token = { epoch: 1, index: 1, slot: 0 }
    const settle = encodeSettleRequest({
      ...consumer,
      settlements: [{ partition: 0, token, outcome: 'ack', ranges: [0, 1] }],
    })
    expect(await post('controller', '/topics/temp_1/groups/own/settle', settle)).toBe(403)
  })

  it("cannot be gone round with another's lease", async () => {
    const { ask, orders } = await serveWithTopics()
    const lease = `${orders}~1~0~0~1~1~0~somebody`
    for (const outcome of ['ack', 'nack', 'reject', 'release', 'extend']) {
      const path = `/topics/temp_1/groups/own/${outcome}`
      // It is none of this topic's: the other topic is not even asked.
      expect((await ask('POST', path, { leases: [lease] }, as('controller'))).status).toBe(409)
    }
  })

  it('show everybody which brokers there are, and how much they hold to who may administer all topics', async () => {
    const { ask, url, broker } = await serveWithTopics()
    const brokers = [{ id: broker.id, url }]
    const seen = async (name: Name) => (await ask('GET', '/cluster', undefined, as(name))).json as object
    for (const name of ['sensor', 'controller', 'nobody'] as const)
      expect(await seen(name)).toEqual({ clusterId: expect.any(String), brokers })
    const all = ['brokers', 'clusterId', 'partitions', 'storage', 'topics']
    expect(Object.keys(await seen('admin')).sort()).toEqual(all)
    expect((await ask('GET', '/cluster')).status).toBe(401)
    const sensor = connect(url, { token: tokenOf('sensor') })
    expect(await new Admin(sensor).describeCluster()).toEqual({ clusterId: expect.any(String), brokers })
    await sensor.close()
  })

  it('let clients do what they allow, and no more', async () => {
    const { url, broker } = await serveWithTopics()
    const sensor = connect(url, { token: tokenOf('sensor') })
    const producer = new Producer(sensor)
    await producer.send('temp_1', 5)
    await expect(producer.send('orders', 5)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const consumer = new Consumer(sensor, 'temp_1')
    await expect(consumer.receive()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const reader = new Reader(sensor, 'temp_1', { from: 'earliest' })
    await expect(reader[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await sensor.close()
    await broker.close()
  })
})

describe('client certificates', () => {
  const { ca, server, client, stranger } = certificates
  const tls = { ...server, ca: ca.cert, requestCert: true }

  it('say who comes by their common name', async () => {
    const { port } = await serveBroker({
      tls,
      auth: { rules: [{ principal: 'sensor-1', produce: ['temp_*'] }] },
    })
    const connection = openTls(port, { ...client, ca: ca.cert })
    expect(await get(connection, '/topics')).toMatch(/^HTTP\/1.1 200/)
    expect(await get(openTls(port, { ...client, ca: ca.cert }), '/topics/orders')).toMatch(/sensor-1 may not/)
  })

  it('of another authority, or none, do not get in', async () => {
    const { port } = await serveBroker({ tls, auth: {} })
    expect(
      await openTls(port, { ...stranger, ca: ca.cert })
        .write(GET('/topics'))
        .closed(),
    ).toBe('')
    expect(await openTls(port, { ca: ca.cert }).write(GET('/topics')).closed()).toBe('')
  })

  it('are not needed by those who have a token, and those of another authority say nothing', async () => {
    const { port } = await serveBroker({ tls, auth: { tokens } })
    const withToken = GET('/topics', `authorization: Bearer ${tokenOf('sensor')}\r\n`)
    expect(
      await openTls(port, { ca: ca.cert })
        .write(withToken)
        .said(/\r\n\r\n/),
    ).toMatch(/^HTTP\/1.1 200/)
    expect(await get(openTls(port, { ...stranger, ca: ca.cert }), '/topics')).toMatch(/^HTTP\/1.1 401/)
    expect(await get(openTls(port, { ca: ca.cert }), '/topics')).toMatch(/^HTTP\/1.1 401/)
    expect(await get(openTls(port, { ...client, ca: ca.cert }), '/topics')).toMatch(/^HTTP\/1.1 200/)
  })

  it('and their client work from end to end', async () => {
    const { url } = await serveBroker({ tls, auth: {} })
    const remote = connect(url, { tls: { ...client, ca: ca.cert } })
    const producer = new Producer(remote)
    expect(await producer.send('temp_1', 1)).toMatchObject({ offset: 0 })
    await producer.close()
    await remote.close()
  })

  const GET = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`

  async function get(connection: ReturnType<typeof openTls>, path: string): Promise<string> {
    const answer = await connection.write(GET(path)).said(/\r\n\r\n.*}/s)
    connection.destroy()
    return answer
  }
})

/** A broker with rules and the topics temp_1 and orders, each with a group `own`. */
async function serveWithTopics(): Promise<HttpBroker & { orders: string; generation: number }> {
  const served = await serveBroker({ auth: { tokens, rules } })
  const producer = new Producer(served.broker)
  for (const topic of ['temp_1', 'orders']) {
    await producer.send(topic, 'a message')
    const consumer = new Consumer(served.broker, topic, { group: 'own' })
    await (await consumer.receive()).nack({ delay: 60_000 })
    await consumer.close()
  }
  await producer.close()
  const admin = new Admin(served.broker)
  const { generation } = await admin.describeGroup('orders', 'own')
  return { ...served, orders: (await admin.describeTopic('orders')).id, generation }
}
