import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, expect, test, vi } from 'vitest'
import { http } from '../../src/http.js'
import { Admin, Consumer, type DiagnosticsMessages, Producer } from '../../src/index.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import { diagnostics } from '../../src/runtime/diagnostics.js'
import { openBroker, openVirtualBroker } from './support/broker.js'

type Name = keyof DiagnosticsMessages

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** Everything that is published on a channel from now on. */
function listen<N extends Name>(name: N): DiagnosticsMessages[N][] {
  const messages: DiagnosticsMessages[N][] = []
  const listener = (message: unknown) => void messages.push(message as DiagnosticsMessages[N])
  subscribe(name, listener)
  stops.push(() => unsubscribe(name, listener))
  return messages
}

async function workOn(
  url: string | undefined,
  broker: Awaited<ReturnType<typeof openBroker>>,
): Promise<void> {
  await new Producer(broker).sendBatch('orders', [{ value: 1 }, { value: 2 }, { value: 3 }])
  const consumer = new Consumer(broker, 'orders', {
    group: 'billing',
    maxDeliveries: 2,
    backoff: { initial: 0 },
  })
  let handled = 0
  await consumer.run(({ value }) => {
    if (++handled === 4) void consumer.drain()
    if (value === 1) throw new Error('no')
  })
  await consumer.close()
  await fetch(`${url}/topics/orders`, { headers: { 'x-request-id': 'mine-1' } })
}

test('every channel tells what happened, once for each request or batch', async () => {
  const produced = listen('portal-mq:produce')
  const delivered = listen('portal-mq:deliver')
  const settled = listen('portal-mq:settle')
  const redelivered = listen('portal-mq:redelivery')
  const dead = listen('portal-mq:dead-letter')
  const commits = listen('portal-mq:commit')
  const requests = listen('portal-mq:http:request')
  const broker = await openBroker({ transport: http({ port: 0 }) })
  await workOn(broker.url, broker)
  const place = { broker: broker.id, topic: 'orders', partition: 0 }

  expect(produced).toEqual([
    {
      broker: broker.id,
      duration: expect.any(Number),
      batches: [{ topic: 'orders', partition: 0, messages: 3, bytes: expect.any(Number), error: undefined }],
    },
  ])
  const sum = (messages: readonly { readonly messages: number }[]) =>
    messages.reduce((total, one) => total + one.messages, 0)
  expect(sum(delivered)).toBe(4)
  expect(delivered[0]).toMatchObject({ ...place, group: 'billing', consumer: expect.any(String) })
  expect(redelivered).toEqual([{ ...place, group: 'billing', messages: 1 }])
  expect(sum(settled.filter(({ outcome }) => outcome === 'acked'))).toBe(2)
  expect(settled.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(['retry', 'rejected']))
  await expect.poll(() => dead).toEqual([{ ...place, group: 'billing', messages: 1 }])
  expect(commits.find(({ entries }) => entries > 0)).toMatchObject({
    broker: broker.id,
    bytes: expect.any(Number),
    duration: expect.any(Number),
  })
  expect(requests).toEqual([
    {
      id: 'mine-1',
      method: 'GET',
      route: '/topics/{topic}',
      path: '/topics/orders',
      status: 200,
      duration: expect.any(Number),
      principal: undefined,
    },
  ])
})

test('what was refused is told with its error, and what was stored before is not told again', async () => {
  const produced = listen('portal-mq:produce')
  const broker = await openBroker()
  const producer = new Producer(broker)
  await producer.send('orders', 'one', { id: 'same' })
  await producer.send('orders', 'again', { id: 'same' })
  const unknown = { topicId: 'unknown', partition: 3, records: new Uint8Array() }
  await broker[CONNECTION].service.produce({ acks: 'all', batches: [unknown] })
  expect(produced.map(({ batches }) => batches[0])).toMatchObject([
    { topic: 'orders', messages: 1, error: undefined },
    { topic: 'orders', messages: 0, bytes: 0, error: undefined },
    { topic: '', partition: 3, messages: 0, bytes: 0, error: 'TOPIC_NOT_FOUND' },
  ])
})

test('what expires before it is settled is told for each group', async () => {
  const expired = listen('portal-mq:expiry')
  const { broker, runtime } = await openVirtualBroker()
  const admin = new Admin(broker)
  await runtime.runUntil(admin.createTopic('short', { retention: { age: 1_000 } }))
  await runtime.runUntil(admin.createGroup('short', 'slow'))
  await runtime.runUntil(new Producer(broker).send('short', 1))
  await runtime.advance(10_000)
  expect(expired).toEqual([{ broker: broker.id, topic: 'short', partition: 0, group: 'slow', messages: 1 }])
})

test('without a subscriber nothing is published, and no message is built', async () => {
  const publishers = Object.values(diagnostics).map((channel) => vi.spyOn(channel, 'publish'))
  stops.push(() => vi.restoreAllMocks())
  const broker = await openBroker({ transport: http({ port: 0 }) })
  await workOn(broker.url, broker)
  for (const publish of publishers) expect(publish).not.toHaveBeenCalled()
})

test('a handler can be wrapped by several subscribers, and a send gets their headers', async () => {
  const order: string[] = []
  const onSend = (message: unknown) => {
    ;(message as DiagnosticsMessages['portal-mq:client:send']).headers['color'] = 'red'
  }
  subscribe('portal-mq:client:send', onSend)
  stops.push(() => unsubscribe('portal-mq:client:send', onSend))
  for (const name of ['inner', 'outer']) {
    const onHandle = (message: unknown) =>
      (message as DiagnosticsMessages['portal-mq:client:handle']).wrap(async (handle) => {
        order.push(`${name} begins`)
        await handle()
        order.push(`${name} ends`)
      })
    subscribe('portal-mq:client:handle', onHandle)
    stops.push(() => unsubscribe('portal-mq:client:handle', onHandle))
  }
  const broker = await openBroker()
  await new Producer(broker).send('orders', 1)
  const consumer = new Consumer(broker, 'orders')
  await consumer.run(({ headers }) => {
    order.push(headers['color']!)
    void consumer.drain()
  })
  expect(order).toEqual(['outer begins', 'inner begins', 'red', 'inner ends', 'outer ends'])
})
