import { expect, onTestFinished, test } from 'vitest'
import type { Broker } from '../../../src/broker/broker.js'
import { Admin } from '../../../src/client/admin.js'
import { Producer } from '../../../src/client/producer/producer.js'
import { SERVICE } from '../../../src/protocol/connection.js'
import { watch } from '../../unit/client-support/fake-connection.js'
import { InProcessCluster } from './in-process.js'

/** As another broker asks, or a client that knows the leaders. */
const DIRECT = { forwarded: true }

/** Two brokers with a topic of which each has all, and a group of it. */
async function start(partitions: number) {
  const cluster = await InProcessCluster.open(['a', 'b'], { controller: { stableFor: 100 } })
  onTestFinished(() => cluster.close())
  const [a, b] = ['a', 'b'].map((name) => cluster.brokers.get(name)!) as [Broker, Broker]
  const admin = new Admin(b)
  await admin.createTopic('t', { partitions, replicas: 2, minInSync: 1 })
  const { topicId, generation } = await a[SERVICE].joinGroup({
    topic: 't',
    group: 'g',
    settings: {},
    create: true,
  })
  const leads = (expected: readonly string[]) =>
    cluster.until(async () => {
      const { partitions } = await admin.describeTopic('t')
      expect(partitions.map(({ leader }) => leader?.id)).toEqual(expected)
    })
  const preferred = (await admin.describePlacement('t')).map(({ replicas }) => replicas[0]!)
  const request = {
    topicId,
    group: 'g',
    generation,
    consumer: 'c',
    lease: 60_000,
    maxMessages: 1,
    maxBytes: 1_000,
    wait: 60_000,
  }
  return { cluster, a: a[SERVICE], b: b[SERVICE], preferred, leads, request, producer: new Producer(b) }
}

/** Broker a leads both partitions, until b has room again: then one of them moves away. */
async function startLeadingBoth() {
  const started = await start(2)
  const { cluster, leads, preferred } = started
  cluster.free.set('b', 0)
  await leads(['a', 'a'])
  const moveAway = async () => {
    cluster.free.delete('b')
    await leads(preferred)
  }
  return { ...started, moveAway, staying: preferred.indexOf('a') }
}

test('who waits for a partition that has moved away hears of it at once, and waits again for those that have stayed', async () => {
  const { cluster, a, moveAway, staying, request, producer } = await startLeadingBoth()
  const received = watch(a.receive(request, DIRECT))
  const hint = watch(a.receive({ ...request, consumer: 'd', hint: true }, DIRECT))
  const streamed: unknown[] = []
  const stream = { ...request, consumer: 'e', stream: 's', credit: { messages: 1, bytes: 1_000 } }
  void (async () => {
    for await (const response of a.receiveStream(stream, DIRECT)) streamed.push(response.deliveries)
  })()
  await cluster.until(async () => expect(streamed).toEqual([[]]))
  await moveAway()
  await cluster.until(async () => {
    expect(received.value).toEqual({ deliveries: [] })
    expect(hint.error).toMatchObject({ code: 'NOT_LEADER' })
    expect(streamed).toEqual([[], []])
  })
  const again = watch(a.receive(request, DIRECT))
  await Promise.all([1, 2].map((value) => producer.send('t', value, { partition: staying })))
  await cluster.until(async () => {
    expect(again.value?.deliveries).toHaveLength(1)
    expect(streamed[2]).toHaveLength(1)
  })
})

test('who has something to do hears on its stream, too, that a partition has moved away', async () => {
  const { cluster, a, moveAway, staying, request, producer } = await startLeadingBoth()
  const stream = { ...request, stream: 's', credit: { messages: 1, bytes: 1_000 } }
  const streamed: number[] = []
  void (async () => {
    for await (const { deliveries } of a.receiveStream(stream, DIRECT)) streamed.push(deliveries.length)
  })()
  await producer.send('t', 1, { partition: staying })
  await cluster.until(async () => expect(streamed).toEqual([0, 1]))
  await moveAway()
  await producer.send('t', 2, { partition: staying })
  await a.addCredit({ stream: 's', messages: 2, bytes: 2_000 }, DIRECT)
  await cluster.until(async () => expect(streamed).toEqual([0, 1, 0, 1]))
})

test('who asks a broker that leads nothing of a topic is sent away', async () => {
  const { a, b, preferred, leads, request } = await start(1)
  await leads(preferred)
  const other = preferred[0] === 'a' ? b : a
  await expect(other.receive({ ...request, wait: 5_000 }, DIRECT)).rejects.toMatchObject({
    code: 'NOT_LEADER',
  })
})
