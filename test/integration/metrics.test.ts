import { expect, onTestFinished, test } from 'vitest'
import { connect, http } from '../../src/http.js'
import { Admin, type Broker, Consumer, Producer } from '../../src/index.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import { parsePrometheus } from '../support/prometheus.js'
import { openBroker, openVirtualBroker } from './support/broker.js'

async function serve(): Promise<Broker> {
  return openBroker({ transport: http({ port: 0 }) })
}

async function scrape(broker: Broker) {
  const response = await fetch(`${broker.url}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const families = parsePrometheus(await response.text())
  return {
    families,
    /** The value of the sample with just these labels. */
    value(name: string, labels: Record<string, string> = {}) {
      const family = [...families].find(([family]) => name.startsWith(family))?.[1]
      const wanted = JSON.stringify(Object.entries(labels).sort())
      return family?.samples.find(
        (sample) => sample.name === name && JSON.stringify(Object.entries(sample.labels).sort()) === wanted,
      )?.value
    },
  }
}

/** Six messages: three acked, one of them at the second attempt; two rejected; one that stays. */
async function workOn(broker: Broker): Promise<void> {
  await new Producer(broker).sendBatch(
    'orders',
    [0, 1, 2, 3, 4, 5].map((value) => ({ value })),
  )
  const consumer = new Consumer(broker, 'orders', { group: 'billing', backoff: { initial: 0 }, prefetch: 1 })
  onTestFinished(() => consumer.close({ timeout: 0 }))
  const next = () => consumer.receive()
  await (await next()).nack()
  for (const outcome of ['ack', 'ack', 'ack', 'reject', 'reject'] as const) await (await next())[outcome]()
  await next()
  const admin = new Admin(broker)
  await expect
    .poll(async () => (await admin.describeGroup('orders', 'billing')).partitions[0])
    .toMatchObject({ deadLettered: 2, inFlight: 1 })
}

test('/metrics is what Prometheus reads, and counts what was done', async () => {
  const broker = await serve()
  await scrape(broker)
  await workOn(broker)
  const { value, families } = await scrape(broker)
  const orders = { topic: 'orders', group: 'billing' }
  expect(value('portal_mq_messages_published_total', { topic: 'orders' })).toBe(6)
  expect(value('portal_mq_messages_published_total', { topic: 'orders.dead' })).toBe(2)
  expect(value('portal_mq_published_bytes_total', { topic: 'orders' })).toBeGreaterThan(6)
  expect(value('portal_mq_messages_delivered_total', orders)).toBe(7)
  expect(value('portal_mq_messages_redelivered_total', orders)).toBe(1)
  const settled = (outcome: string) => value('portal_mq_messages_settled_total', { ...orders, outcome })
  expect([settled('acked'), settled('retry'), settled('rejected'), settled('discarded')]).toEqual([
    3, 1, 2, 0,
  ])
  expect(value('portal_mq_messages_dead_lettered_total', orders)).toBe(2)
  expect(value('portal_mq_messages_expired_total', orders)).toBe(0)
  expect(value('portal_mq_group_lag_messages', orders)).toBe(1)
  expect(value('portal_mq_group_in_flight_messages', orders)).toBe(1)
  expect(value('portal_mq_commit_duration_seconds_count')).toBeGreaterThan(5)
  expect(value('portal_mq_disk_used_bytes')).toBeGreaterThan(0)
  expect(value('portal_mq_disk_free_bytes')).toBeGreaterThan(0)
  expect(value('portal_mq_http_requests_total', { method: 'GET', route: '/metrics', status: '200' })).toBe(1)
  expect(value('portal_mq_http_connections')).toBeGreaterThan(0)
  expect([...families.keys()]).toEqual(
    expect.arrayContaining([
      'portal_mq_event_loop_delay_seconds',
      'portal_mq_group_waiting_receives',
      'process_resident_memory_bytes',
    ]),
  )
})

test('a sleeping receive is a waiting one', async () => {
  const broker = await serve()
  const consumer = new Consumer(broker, 'orders')
  await new Admin(broker).createTopic('orders')
  const waiting = consumer.receive({ timeout: 60_000 })
  const labels = { topic: 'orders', group: 'default' }
  await expect
    .poll(async () => (await scrape(broker)).value('portal_mq_group_waiting_receives', labels))
    .toBe(1)
  await consumer.close()
  await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
})

test('a connection is given the same metrics', async () => {
  const broker = await serve()
  await new Producer(broker).send('orders', 1)
  const remote = connect(broker.url!)
  onTestFinished(() => remote.close())
  const families = await remote[CONNECTION].service.metrics()
  expect(families.find(({ name }) => name === 'portal_mq_messages_published_total')?.samples).toEqual([
    { labels: { topic: 'orders' }, value: 1 },
  ])
  await remote[CONNECTION].service.checkReady()
})

test('whatever is asked for, there are as many samples as there are routes', async () => {
  const broker = await serve()
  for (let at = 0; at < 20; at++)
    await fetch(`${broker.url}/no/such/${at}`, { method: at % 2 ? 'GET' : 'DELETE' })
  const { families } = await scrape(broker)
  const unknown = families
    .get('portal_mq_http_requests_total')!
    .samples.filter(({ labels }) => labels['route'] === 'none')
  expect(unknown.map(({ labels, value }) => [labels['method'], value])).toEqual([
    ['DELETE', 10],
    ['GET', 10],
  ])
})

test('beyond a thousand topics the others are counted together', async () => {
  const { broker, runtime } = await openVirtualBroker()
  const admin = new Admin(broker)
  for (let at = 0; at < 1_010; at++) await runtime.runUntil(admin.createTopic(`t${at}`))
  const producer = new Producer(broker)
  for (const at of [0, 1_005, 1_009]) await runtime.runUntil(producer.send(`t${at}`, 1))
  const families = await runtime.runUntil(broker[CONNECTION].service.metrics())
  const { samples } = families.find(({ name }) => name === 'portal_mq_messages_published_total')!
  expect(samples).toHaveLength(1_001)
  expect(samples.filter(({ value }) => value > 0)).toEqual([
    { labels: { topic: 't0' }, value: 1 },
    { labels: { topic: '(others)' }, value: 2 },
  ])
})

test('what expires before it is settled is counted for each group', async () => {
  const { broker, runtime } = await openVirtualBroker()
  const admin = new Admin(broker)
  await runtime.runUntil(admin.createTopic('short', { retention: { age: 1_000 } }))
  await runtime.runUntil(admin.createGroup('short', 'slow'))
  await runtime.runUntil(new Producer(broker).send('short', 1))
  await runtime.advance(10_000)
  const families = await runtime.runUntil(broker[CONNECTION].service.metrics())
  expect(families.find(({ name }) => name === 'portal_mq_messages_expired_total')?.samples).toEqual([
    { labels: { topic: 'short', group: 'slow' }, value: 1 },
  ])
})
