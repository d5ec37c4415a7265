import { describe, expect, test } from 'vitest'
import { Admin, Consumer, Producer } from '../../src/index.js'
import {
  numbers,
  openBroker,
  openVirtualBroker,
  receiveMany,
  sendNumbers,
  untilClosed,
} from './support/broker.js'

describe('consumers who wait', () => {
  test('sleep: nothing ticks for them however long it takes, and one message wakes one of 1,000 [invariant 29]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(new Admin(broker).createTopic('t'))
    const idle = runtime.pendingTimers
    const got: unknown[] = []
    const waits = numbers(1_000).map(async () => {
      got.push((await new Consumer(broker, 't').receive()).value)
    })
    await runtime.advance(3_600_000)
    expect(got).toEqual([])
    expect(runtime.pendingTimers).toBe(idle)
    const producer = new Producer(broker)
    const before = runtime.clock.monotonic()
    await runtime.runUntil(producer.send('t', 'first'))
    await runtime.runUntil(() => got.length > 0)
    expect(got).toEqual(['first'])
    await runtime.runUntil(producer.sendBatch('t', Array(999).fill({ value: 'other' })))
    await runtime.runUntil(Promise.all(waits))
    expect(got).toHaveLength(1_000)
    expect(runtime.clock.monotonic() - before).toBeLessThan(50)
  })

  test('ask once and not again while they sleep, in a loop, a run or a receive', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(new Admin(broker).createTopic('t'))
    const { service } = broker[Symbol.for('portal-mq.connection') as never] as {
      service: Record<string, (...args: unknown[]) => unknown>
    }
    let calls = 0
    for (const name of ['receive', 'joinGroup', 'findTopic', 'describeGroup']) {
      const method = service[name]!
      service[name] = (...args) => {
        calls++
        return method(...args)
      }
    }
    void untilClosed(new Consumer(broker, 't').receive())
    void untilClosed(new Consumer(broker, 't').run(() => {}))
    void untilClosed(new Consumer(broker, 't')[Symbol.asyncIterator]().next())
    await runtime.advance(1_000)
    const asked = calls
    expect(asked).toBe(9)
    await runtime.advance(86_400_000)
    expect(calls).toBe(asked)
  })

  test('wait for a topic that does not exist, say so after 5 s, and wake when the first send makes it', async () => {
    const { broker, runtime, log } = await openVirtualBroker()
    const receiving = new Consumer(broker, 'later', { group: 'g' }).receive()
    await runtime.advance(4_999)
    expect(log.lines).toEqual([])
    await runtime.advance(1)
    expect(log.lines).toMatchObject([{ level: 'warn', message: expect.stringMatching(/later.*'g'/) }])
    await runtime.advance(60_000)
    expect(log.lines).toHaveLength(1)
    await runtime.runUntil(new Producer(broker).send('later', 7))
    expect((await runtime.runUntil(receiving)).value).toBe(7)
  })

  test('get null at the timeout, not before; at once for 0', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(new Admin(broker).createTopic('t'))
    for (const topic of ['t', 'missing']) {
      const consumer = new Consumer(broker, topic)
      for (const timeout of [5_000, 0]) {
        const start = runtime.clock.monotonic()
        expect(await runtime.runUntil(consumer.receive({ timeout }))).toBeNull()
        expect(runtime.clock.monotonic() - start).toBe(timeout)
      }
    }
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    expect(await runtime.runUntil(new Consumer(broker, 't').receive({ timeout: 0 }))).toMatchObject({
      value: 0,
    })
  })
})

describe('consumers of one group', () => {
  test('share the messages: each goes to one of them, all of them work [invariant 18]', async () => {
    const broker = await openBroker()
    const got: number[][] = []
    const consumers = numbers(4).map(() => new Consumer<number>(broker, 't', { prefetch: 8 }))
    const runs = consumers.map((consumer) => {
      const mine: number[] = []
      got.push(mine)
      return consumer.run(
        async (message) => {
          mine.push(message.value)
          await new Promise((resolve) => setImmediate(resolve))
        },
        { concurrency: 4 },
      )
    })
    await sendNumbers(broker, 't', 2_000)
    await expect.poll(() => got.flat().length, { timeout: 20_000 }).toBe(2_000)
    expect(got.flat().sort((a, b) => a - b)).toEqual(numbers(2_000))
    for (const mine of got) expect(mine.length).toBeGreaterThan(100)
    await Promise.all(consumers.map((consumer) => consumer.close()))
    await Promise.all(runs)
    const [partition] = (await new Admin(broker).describeGroup('t', 'default')).partitions
    expect(partition).toMatchObject({ lag: 0, acked: 2_000, inFlight: 0, floor: 2_000 })
  })

  test('of other groups get every message, too', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 50)
    for (const group of ['a', 'b']) {
      const messages = await receiveMany(new Consumer<number>(broker, 't', { group }), 50)
      expect(messages.map(({ value }) => value)).toEqual(numbers(50))
    }
  })

  test('run no more handlers than their concurrency [invariant 28]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 100))
    let running = 0
    let most = 0
    const consumer = new Consumer<number>(broker, 't')
    void untilClosed(
      consumer.run(
        async () => {
          most = Math.max(most, ++running)
          await new Promise<void>((resolve) => runtime.timers.setTimeout(resolve, 100))
          running--
        },
        { concurrency: 8 },
      ),
    )
    await runtime.advance(100 * Math.ceil(100 / 8) + 50)
    expect(most).toBe(8)
    const admin = new Admin(broker)
    expect((await runtime.runUntil(admin.describeGroup('t', 'default'))).partitions[0]?.acked).toBe(100)
  })
})

describe('a buffer', () => {
  test('never burns a delivery: 1,000 messages, handlers of 1 s, concurrency 1, none dies [invariant 22]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 1_000))
    const counts: number[] = []
    const values: number[] = []
    void untilClosed(
      new Consumer<number>(broker, 't').run(async (message) => {
        await new Promise<void>((resolve) => runtime.timers.setTimeout(resolve, 1_000))
        counts.push(message.deliveryCount)
        values.push(message.value)
      }),
    )
    await runtime.runUntil(() => values.length >= 1_000)
    await runtime.advance(60_000)
    expect(values).toEqual(numbers(1_000))
    expect(counts.every((count) => count === 1)).toBe(true)
    expect(runtime.clock.monotonic()).toBeLessThan(1_100_000)
    const [partition] = (await runtime.runUntil(new Admin(broker).describeGroup('t', 'default'))).partitions
    expect(partition).toMatchObject({ acked: 1_000, deadLettered: 0, dying: 0, retrying: 0 })
  })

  test('of fixed size keeps its leases while it waits, too; another consumer gets the rest [invariant 28]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 100))
    const counts: number[] = []
    void untilClosed(
      new Consumer<number>(broker, 't', { prefetch: 60, lease: 1_000 }).run(async (message) => {
        await new Promise<void>((resolve) => runtime.timers.setTimeout(resolve, 500))
        counts.push(message.deliveryCount)
      }),
    )
    await runtime.advance(100)
    const rest: number[] = []
    void untilClosed(new Consumer<number>(broker, 't').run(async ({ value }) => void rest.push(value)))
    await runtime.advance(200)
    expect(rest).toEqual(numbers(100).slice(60))
    await runtime.runUntil(() => counts.length >= 60)
    expect(counts.every((count) => count === 1)).toBe(true)
  })

  test('asks for no message that nobody asked for', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 10))
    const consumer = new Consumer<number>(broker, 't')
    await runtime.runUntil(consumer.receive())
    await runtime.runUntil(consumer.receive())
    await runtime.advance(1_000)
    const admin = new Admin(broker)
    expect((await runtime.runUntil(admin.describeGroup('t', 'default'))).partitions[0]?.inFlight).toBe(2)
  })

  test('is given back at once when its loop is left, uncounted [invariant 22]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 100))
    const leaver = new Consumer<number>(broker, 't', { prefetch: 50 })
    const leave = async (): Promise<number> => {
      for await (const message of leaver) {
        await message.ack()
        return message.value
      }
      return -1
    }
    expect(await runtime.runUntil(leave())).toBe(0)
    const start = runtime.clock.monotonic()
    const other = new Consumer<number>(broker, 't', { prefetch: 1 })
    const messages = await runtime.runUntil(receiveMany(other, 99))
    expect(messages.map(({ value }) => value)).toEqual(numbers(100).slice(1))
    expect(messages.every(({ deliveryCount }) => deliveryCount === 1)).toBe(true)
    expect(runtime.clock.monotonic() - start).toBeLessThan(100)
  })

  test('is given back when its consumer closes, and the message in hand once it has taken too long', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 20))
    const consumer = new Consumer<number>(broker, 't', { prefetch: 20 })
    let aborted: unknown
    const running = consumer.run(async (message) => {
      message.signal.addEventListener('abort', () => {
        aborted = message.signal.reason
      })
      await new Promise(() => {})
    })
    await runtime.advance(10)
    const start = runtime.clock.monotonic()
    const closing = consumer.close({ timeout: 2_000 })
    const other = new Consumer<number>(broker, 't')
    const rest = await runtime.runUntil(receiveMany(other, 19))
    expect(rest.map(({ value }) => value)).toEqual(numbers(20).slice(1))
    expect(runtime.clock.monotonic() - start).toBeLessThan(100)
    await runtime.runUntil(Promise.all([closing, running]))
    expect(runtime.clock.monotonic() - start).toBe(2_000)
    expect(aborted).toMatchObject({ code: 'LEASE_LOST' })
    expect(await runtime.runUntil(other.receive())).toMatchObject({ value: 0, deliveryCount: 1 })
  })
})
