import { describe, expect, test } from 'vitest'
import { Admin, Consumer, type CreateTopicOptions, Producer, Reader } from '../../src/index.js'
import { numbers, openBroker, openVirtualBroker, receiveMany, sendNumbers } from './support/broker.js'

const HOUR = 3_600_000

async function withTopic(options: CreateTopicOptions, count: number) {
  const { broker, runtime } = await openVirtualBroker()
  const admin = new Admin(broker)
  await runtime.runUntil(admin.createTopic('t', options))
  await runtime.runUntil(sendNumbers(broker, 't', count))
  const stored = async () => (await runtime.runUntil(admin.describeTopic('t'))).partitions[0]!
  const group = async (name = 'default') =>
    (await runtime.runUntil(admin.describeGroup('t', name))).partitions[0]!
  const ackAll = async (name: string, most = count) => {
    const consumer = new Consumer(broker, 't', { group: name })
    const messages = await runtime.runUntil(receiveMany(consumer, most))
    await runtime.runUntil(Promise.all(messages.map((message) => message.ack())))
  }
  return { broker, runtime, admin, stored, group, ackAll }
}

describe('a message is kept', () => {
  test('while there is no group, for ever', async () => {
    const { runtime, stored } = await withTopic({}, 500)
    await runtime.advance(100 * HOUR)
    expect(await stored()).toMatchObject({ messages: 500, firstOffset: 0 })
  })

  test('until every group has settled it, and then for `after` since its storing: an hour', async () => {
    const { runtime, stored, ackAll, admin } = await withTopic({}, 500)
    await runtime.runUntil(admin.createGroup('t', 'slow'))
    await ackAll('fast')
    await runtime.advance(10 * HOUR)
    expect((await stored()).messages).toBe(500)
    await ackAll('slow', 250)
    await runtime.advance(5_000)
    expect(await stored()).toMatchObject({ messages: expect.closeTo(250, -3), nextOffset: 500 })
    expect((await stored()).firstOffset).toBeGreaterThan(100)
    await ackAll('slow', 250)
    await runtime.advance(5_000)
    expect(await stored()).toMatchObject({ messages: 0, bytes: 0, firstOffset: 500, nextOffset: 500 })
  })

  test('for no less than `after` though all have settled it', async () => {
    const { runtime, stored, ackAll } = await withTopic({ retention: { after: 10 * HOUR } }, 100)
    await ackAll('g')
    await runtime.advance(10 * HOUR - 10_000)
    expect((await stored()).messages).toBe(100)
    await runtime.advance(15_000)
    expect((await stored()).messages).toBe(0)
  })

  test('when the wall clock jumps: nothing expires by a jump [invariant 27]', async () => {
    const { runtime, stored, ackAll } = await withTopic({ retention: { age: 10 * HOUR } }, 100)
    await ackAll('g')
    runtime.jump(1_000 * HOUR)
    await runtime.advance(30 * 60_000)
    expect((await stored()).messages).toBe(100)
  })
})

describe('one message that is not settled', () => {
  test('does not hold the space of the others [invariant 25]', async () => {
    const { broker, runtime, stored, group } = await withTopic({ retention: { after: 0 } }, 10_000)
    const consumer = new Consumer<number>(broker, 't', { prefetch: 100 })
    const stuck = await runtime.runUntil(consumer.receive())
    await runtime.runUntil(stuck.nack({ delay: 100 * HOUR }))
    const rest = await runtime.runUntil(receiveMany(consumer, 9_999))
    await runtime.runUntil(Promise.all(rest.map((message) => message.ack())))
    const before = (await stored()).bytes
    await runtime.advance(5_000)
    expect(await stored()).toMatchObject({ firstOffset: 0, messages: 100 })
    expect((await stored()).bytes).toBeLessThan(before / 50)
    expect(await group()).toMatchObject({ lag: 1, retrying: 1, acked: 9_999 })
    await runtime.advance(100 * HOUR)
    const again = await runtime.runUntil(consumer.receive())
    expect(again).toMatchObject({ value: 0, deliveryCount: 2 })
    await runtime.runUntil(again.ack())
    await runtime.advance(5_000)
    expect(await stored()).toMatchObject({ messages: 0, firstOffset: 10_000 })
  })

  test('lets the database on the disk shrink [invariant 25]', { timeout: 60_000 }, async () => {
    const broker = await openBroker()
    const admin = new Admin(broker)
    await admin.createTopic('t', { retention: { after: 0 } })
    const producer = new Producer(broker)
    const filler = 'x'.repeat(10_000)
    await Promise.all(numbers(3_000).map((at) => producer.send('t', { at, filler })))
    const used = async () => (await admin.describeCluster()).storage!.usedBytes
    expect(await used()).toBeGreaterThan(20_000_000)
    const consumer = new Consumer<{ at: number }>(broker, 't')
    const consuming = consumer.run(
      (message) => (message.value.at === 1_500 ? message.nack({ delay: HOUR }) : undefined),
      { concurrency: 100 },
    )
    await expect.poll(used, { timeout: 40_000, interval: 200 }).toBeLessThan(8_000_000)
    expect((await admin.describeGroup('t', 'default')).partitions[0]).toMatchObject({ lag: 1, retrying: 1 })
    const left: number[] = []
    for await (const { value } of new Reader<{ at: number }>(broker, 't')) left.push(value.at)
    expect(left).toContain(1_500)
    await consumer.close()
    await consuming
  })
})

describe('age', () => {
  test('removes what is not settled, too: counted as expired and emitted; nothing is delivered of it', async () => {
    const { broker, runtime, stored, group, ackAll } = await withTopic({ retention: { age: 2 * HOUR } }, 300)
    const expired: unknown[] = []
    broker.on('expired', (event) => expired.push(event))
    await ackAll('default', 100)
    await runtime.advance(2 * HOUR - 10_000)
    expect(expired).toEqual([])
    await runtime.advance(15_000)
    expect(await stored()).toMatchObject({ messages: 0, firstOffset: 300 })
    expect(await group()).toMatchObject({ acked: 100, expired: 200, lag: 0, floor: 300 })
    const counts = expired.map((event) => (event as { count: number }).count)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(200)
    expect(expired[0]).toMatchObject({ topic: 't', partition: 0, group: 'default' })
    expect(
      await runtime.runUntil(new Admin(broker).explain('t', 'default', { partition: 0, offset: 200 })),
    ).toMatchObject({ state: expect.stringMatching(/expired|settled/) })
    expect(await runtime.runUntil(new Consumer(broker, 't').receive({ timeout: 0 }))).toBeNull()
  })

  test('spares what is in hand until it is settled or its lease has ended', async () => {
    const { broker, runtime, stored, group } = await withTopic({ retention: { age: HOUR } }, 2)
    await runtime.runUntil(sendNumbers(broker, 't', 102, 2))
    const consumer = new Consumer<number>(broker, 't', { lease: 3 * HOUR })
    const [first] = await runtime.runUntil(receiveMany(consumer, 2))
    await runtime.advance(2 * HOUR)
    expect((await stored()).messages).toBeGreaterThanOrEqual(2)
    await runtime.runUntil(first!.ack())
    expect(await group()).toMatchObject({ acked: 1, inFlight: 1 })
    await runtime.advance(2 * HOUR)
    expect(await stored()).toMatchObject({ messages: 0 })
    expect(await group()).toMatchObject({ acked: 1, inFlight: 0, expired: 101, lag: 0 })
  })
})

test('bytes bound what a partition keeps: the oldest go, settled or not, counted', async () => {
  const { broker, runtime, admin, stored, group } = await withTopic({ retention: { bytes: 100_000 } }, 0)
  await runtime.runUntil(admin.createGroup('t', 'default'))
  const producer = new Producer(broker)
  const sends = numbers(1_000).map((at) => producer.send('t', `${at} ${'x'.repeat(1_000)}`))
  await runtime.runUntil(Promise.all(sends))
  await runtime.advance(5_000)
  const { bytes, messages, firstOffset, nextOffset } = await stored()
  expect(bytes).toBeLessThanOrEqual(100_000)
  expect(messages).toBeGreaterThan(30)
  expect(nextOffset).toBe(1_000)
  expect(firstOffset).toBe(1_000 - messages)
  expect(await group()).toMatchObject({ expired: firstOffset, lag: messages, floor: firstOffset })
  const next = await runtime.runUntil(new Consumer<string>(broker, 't').receive())
  expect(next.offset).toBe(firstOffset)
})

test('a change of the retention takes effect on what is stored; null takes a limit away', async () => {
  const { runtime, admin, stored } = await withTopic({ retention: { age: 10 * HOUR, bytes: 10 ** 9 } }, 100)
  const changed = await runtime.runUntil(admin.updateTopic('t', { retention: { bytes: null, age: HOUR } }))
  expect(changed.config.retention).toEqual({ after: HOUR, age: HOUR })
  await runtime.advance(HOUR + 5_000)
  expect((await stored()).messages).toBe(0)
})
