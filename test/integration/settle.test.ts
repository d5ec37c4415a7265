import { describe, expect, onTestFinished, test } from 'vitest'
import { Admin, Consumer, type ConsumerOptions, Producer } from '../../src/index.js'
import {
  numbers,
  openBroker,
  openVirtualBroker,
  receiveMany,
  sendNumbers,
  untilClosed,
} from './support/broker.js'

/** A virtual broker with a topic of some messages, and what tests of it need. */
async function withMessages(count: number) {
  const { broker, runtime, log } = await openVirtualBroker()
  await runtime.runUntil(sendNumbers(broker, 't', count))
  const admin = new Admin(broker)
  const counts = async (group = 'default') => {
    const [partition] = (await runtime.runUntil(admin.describeGroup('t', group))).partitions
    return partition!
  }
  return { broker, runtime, log, admin, counts }
}

describe('ack', () => {
  test('once resolved, the message never comes again, however often the consumers change [invariants 17, 19]', async () => {
    const { broker, runtime, counts } = await withMessages(20)
    const first = new Consumer<number>(broker, 't')
    for (const message of await runtime.runUntil(receiveMany(first, 20)))
      await runtime.runUntil(message.ack())
    await runtime.runUntil(first.close())
    const waiting = new Consumer(broker, 't').receive({ timeout: 3_600_000 })
    expect(await runtime.runUntil(waiting)).toBeNull()
    expect(await counts()).toMatchObject({ acked: 20, lag: 0, floor: 20, inFlight: 0 })
  })

  test('too late rejects with LEASE_LOST and changes nothing: the next holder keeps its lease [invariant 18]', async () => {
    const { broker, runtime, counts } = await withMessages(1)
    const slow = await runtime.runUntil(new Consumer(broker, 't', { lease: 1_000 }).receive())
    await runtime.advance(2_500)
    const next = await runtime.runUntil(new Consumer(broker, 't').receive())
    expect(next.deliveryCount).toBe(2)
    for (const late of [() => slow.ack(), () => slow.nack(), () => slow.reject(), () => slow.extend(5)]) {
      await expect(runtime.runUntil(late())).rejects.toMatchObject({
        code: 'LEASE_LOST',
        message: expect.stringContaining('t'),
      })
    }
    expect(await counts()).toMatchObject({ acked: 0, inFlight: 1, dying: 0, retrying: 0 })
    await runtime.runUntil(next.ack())
    expect(await counts()).toMatchObject({ acked: 1, inFlight: 0 })
  })

  test('too late rejects even when nobody else has taken the message yet', async () => {
    const { broker, runtime, counts } = await withMessages(1)
    const slow = await runtime.runUntil(new Consumer(broker, 't', { lease: 1_000 }).receive())
    await runtime.advance(5_000)
    await expect(runtime.runUntil(slow.ack())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await counts()).toMatchObject({ acked: 0, lag: 1 })
  })

  test('that nobody awaits never raises an unhandled rejection; its failure is logged', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    onTestFinished(() => void process.off('unhandledRejection', listener))
    const { broker, runtime, log } = await withMessages(4)
    const messages = await runtime.runUntil(receiveMany(new Consumer(broker, 't', { lease: 1_000 }), 4))
    await runtime.advance(2_000)
    void messages[0]!.ack()
    void messages[1]!.nack()
    void messages[2]!.extend(5)
    void messages[3]!.reject()
    void messages[3]!.ack()
    await runtime.advance(1_000)
    // Node tells of unhandled rejections after the microtasks of a turn.
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
    expect(log.lines.map(({ message }) => message).join()).toMatch(
      /ack came too late.*nack came too late.*reject came too late/s,
    )
  })

  test('of each message of a loop, awaited together at the end, all are stored', async () => {
    const broker = await openBroker()
    await sendNumbers(broker, 't', 1_000)
    const acks: Promise<void>[] = []
    for await (const message of new Consumer<number>(broker, 't')) {
      acks.push(message.ack())
      if (acks.length === 1_000) break
    }
    await Promise.all(acks)
    const [partition] = (await new Admin(broker).describeGroup('t', 'default')).partitions
    expect(partition).toMatchObject({ acked: 1_000, inFlight: 0 })
  })
})

describe('settling twice', () => {
  test('with the same outcome resolves, with another one rejects and the first stays', async () => {
    const { broker, runtime, counts } = await withMessages(3)
    const [acked, nacked, rejected] = await runtime.runUntil(receiveMany(new Consumer(broker, 't'), 3))
    await runtime.runUntil(Promise.all([acked!.ack(), acked!.ack()]))
    await runtime.runUntil(acked!.ack())
    const all = [nacked!.nack({ delay: 60_000 }), nacked!.nack(), rejected!.reject('bad'), rejected!.reject()]
    await runtime.runUntil(Promise.all(all))
    for (const contrary of [acked!.nack(), acked!.reject(), acked!.extend(5), nacked!.ack(), rejected!.ack()])
      await expect(runtime.runUntil(contrary)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await runtime.advance(100)
    expect(await counts()).toMatchObject({ acked: 1, retrying: 1, deadLettered: 1 })
  })

  test('a handler that settled by itself keeps that outcome, whether it returns or throws then', async () => {
    const { broker, runtime, counts } = await withMessages(4)
    void untilClosed(
      new Consumer<number>(broker, 't').run(async (message) => {
        if (message.value === 0) await message.nack({ delay: 600_000 })
        if (message.value === 1) await message.reject('no good')
        if (message.value === 2) {
          await message.ack()
          throw new Error('after the ack')
        }
      }),
    )
    await runtime.advance(1_000)
    expect(await counts()).toMatchObject({ acked: 2, retrying: 1, deadLettered: 1, inFlight: 0 })
  })
})

describe('nack', () => {
  /** Nacks a message again and again; returns how long each took to come back. */
  async function waits(delays: readonly (number | undefined)[], options: ConsumerOptions = {}) {
    const { broker, runtime } = await withMessages(1)
    const consumer = new Consumer(broker, 't', { maxDeliveries: 100, ...options })
    let message = await runtime.runUntil(consumer.receive())
    const waited: number[] = []
    for (const delay of delays) {
      const start = runtime.clock.monotonic()
      await runtime.runUntil(message.nack(delay === undefined ? {} : { delay }))
      message = await runtime.runUntil(consumer.receive())
      waited.push(runtime.clock.monotonic() - start)
      expect(message.deliveryCount).toBe(waited.length + 1)
    }
    return waited
  }

  test('with a delay comes back after it, no earlier and hardly later, counted [invariant 27]', async () => {
    const delays = [0, 1, 500, 60_000, 3_600_000]
    for (const [at, waited] of (await waits(delays)).entries()) {
      expect(waited).toBeGreaterThanOrEqual(delays[at]!)
      expect(waited).toBeLessThan(delays[at]! + 50)
    }
  })

  test('without one comes back with a backoff that grows to its maximum', async () => {
    const backoff = { initial: 1_000, max: 20_000, factor: 3, jitter: 0 }
    const waited = await waits(Array(6).fill(undefined), { backoff })
    expect(waited.map((wait) => Math.round(wait / 100) * 100)).toEqual([
      1_000, 3_000, 9_000, 20_000, 20_000, 20_000,
    ])
  })

  test('without one and with no backoff to begin with comes back at once, whatever the factor', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 1)
    const consumer = new Consumer(broker, 't', { maxDeliveries: 30, backoff: { initial: 0, factor: 1e15 } })
    for (let deliveryCount = 1; deliveryCount < 30; deliveryCount++) {
      const message = await consumer.receive()
      expect(message.deliveryCount).toBe(deliveryCount)
      await message.nack()
    }
  })

  test('of many messages at once spreads them by the jitter', async () => {
    const { broker, runtime } = await withMessages(50)
    const times: number[] = []
    void untilClosed(
      new Consumer(broker, 't', { backoff: { initial: 10_000, jitter: 0.5 } }).run(
        async ({ deliveryCount }) => {
          if (deliveryCount === 1) throw new Error('first')
          times.push(runtime.clock.monotonic())
        },
        { concurrency: 50 },
      ),
    )
    await runtime.advance(20_000)
    expect(times).toHaveLength(50)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(5_000)
    expect(Math.max(...times)).toBeLessThan(15_200)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(5_000)
  })

  test('does not hold up those that come after it', async () => {
    const { broker, runtime } = await withMessages(3)
    const consumer = new Consumer<number>(broker, 't')
    const first = await runtime.runUntil(consumer.receive())
    await runtime.runUntil(first.nack({ delay: 60_000 }))
    const rest = await runtime.runUntil(receiveMany(consumer, 2))
    expect(rest.map(({ value }) => value)).toEqual([1, 2])
  })
})

describe('a lease', () => {
  test('that ends without word is a failure when it was held alone; the message comes back then [invariants 20, 22]', async () => {
    const { broker, runtime } = await withMessages(1)
    await runtime.runUntil(new Consumer(broker, 't', { lease: 10_000 }).receive())
    const start = runtime.clock.monotonic()
    const again = await runtime.runUntil(new Consumer(broker, 't').receive())
    expect(again.deliveryCount).toBe(2)
    expect(runtime.clock.monotonic() - start).toBeGreaterThanOrEqual(10_000)
    expect(runtime.clock.monotonic() - start).toBeLessThan(10_000 + 1_000 * 1.2 + 100)
  })

  test('is not extended by what is no duration: it is refused, and the broker goes on', async () => {
    // Real time: virtual time would hand the caller an exception that nobody catches.
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 1)
    const message = await new Consumer(broker, 't').receive()
    for (const wrong of [undefined, null, Number.NaN, 0, 86_400_001, '5', {}]) {
      await expect(message.extend(wrong as number)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await message.ack()
  })

  test('extended lives on to the new end, not longer', async () => {
    const { broker, runtime } = await withMessages(1)
    const message = await runtime.runUntil(new Consumer(broker, 't', { lease: 1_000 }).receive())
    const other = new Consumer(broker, 't')
    await runtime.runUntil(message.extend(20_000))
    expect(await runtime.runUntil(other.receive({ timeout: 19_000 }))).toBeNull()
    expect(message.signal.aborted).toBe(false)
    await runtime.runUntil(message.extend(5_000))
    await runtime.advance(4_900)
    await runtime.runUntil(message.extend(2_000))
    await runtime.advance(2_100)
    expect(message.signal.aborted).toBe(true)
    expect(message.signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    expect(await runtime.runUntil(other.receive({ timeout: 5_000 }))).toMatchObject({ deliveryCount: 2 })
  })

  test('of a handler is renewed while it works, until its timeout: then the signal aborts and it has failed', async () => {
    const { broker, runtime, counts } = await withMessages(1)
    const aborts: { at: number; reason: unknown }[] = []
    void untilClosed(
      new Consumer(broker, 't', { lease: 1_000, maxDeliveries: 1, deadLetter: false }).run(
        async ({ signal }) => {
          await new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => {
              aborts.push({ at: runtime.clock.monotonic(), reason: signal.reason })
              resolve()
            }),
          )
        },
        { timeout: 60_000 },
      ),
    )
    await runtime.advance(59_000)
    expect(await counts()).toMatchObject({ inFlight: 1, discarded: 0 })
    expect(aborts).toEqual([])
    await runtime.advance(2_000)
    expect(aborts).toMatchObject([{ reason: { code: 'TIMEOUT' } }])
    expect(aborts[0]!.at).toBeLessThan(60_200)
    expect(await counts()).toMatchObject({ inFlight: 0, discarded: 1 })
  })

  test('that is lost under a handler aborts its signal; the handler keeps nothing', async () => {
    const { broker, runtime, admin, counts } = await withMessages(1)
    let reason: unknown
    let entered = 0
    void untilClosed(
      new Consumer(broker, 't', { lease: 3_000 }).run(async ({ signal }) => {
        if (entered++ > 0) return
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => {
            reason = signal.reason
            resolve()
          }),
        )
      }),
    )
    await runtime.advance(100)
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 'earliest' }))
    await runtime.advance(5_000)
    expect(reason).toMatchObject({ code: 'LEASE_LOST' })
    expect(entered).toBe(2)
    expect(await counts()).toMatchObject({ acked: 1, lag: 0 })
  })

  test('given back never counts as a delivery, however often [invariant 22]', async () => {
    const { broker, runtime } = await withMessages(1)
    for (let time = 0; time < 20; time++) {
      const consumer = new Consumer(broker, 't')
      const message = await runtime.runUntil(consumer.receive())
      expect(message.deliveryCount).toBe(1)
      await runtime.runUntil(consumer.close({ timeout: 0 }))
      await expect(runtime.runUntil(message.ack())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    }
  })
})

describe('messages whose leases end together', () => {
  test('are suspects: each comes alone, to a consumer that holds nothing else [invariant 22]', async () => {
    const { broker, runtime, counts } = await withMessages(5)
    const silent = new Consumer<number>(broker, 't', { lease: 1_000 })
    await runtime.runUntil(receiveMany(silent, 5))
    await runtime.advance(1_100)
    const admin = new Admin(broker)
    expect(await runtime.runUntil(admin.explain('t', 'default', { partition: 0, offset: 2 }))).toMatchObject({
      state: 'suspect',
    })
    const producer = new Producer(broker)
    await runtime.runUntil(producer.send('t', 5))
    let most = 0
    const got: number[] = []
    void untilClosed(
      new Consumer<number>(broker, 't', { prefetch: 10 }).run(async ({ value, deliveryCount }) => {
        if (value < 5) expect(deliveryCount).toBe(2)
        most = Math.max(most, (await admin.describeGroup('t', 'default')).partitions[0]!.inFlight)
        got.push(value)
      }),
    )
    await runtime.runUntil(() => got.length === 6)
    await runtime.advance(1_000)
    expect(got.sort()).toEqual(numbers(6))
    expect(most).toBe(1)
    expect(await counts()).toMatchObject({ acked: 6, deadLettered: 0 })
  })

  test.each([
    { where: 'in two partitions', partitions: 2, pause: 0 },
    { where: 'at different times', partitions: 1, pause: 400 },
  ])(
    'are suspects $where, too: none has failed because of another [invariant 22]',
    async ({ partitions, pause }) => {
      const { broker, runtime } = await openVirtualBroker()
      const admin = new Admin(broker)
      await runtime.runUntil(admin.createTopic('t', { partitions }))
      const producer = new Producer(broker)
      for (const value of numbers(2))
        await runtime.runUntil(producer.send('t', value, { partition: value % partitions }))
      const silent = new Consumer<number>(broker, 't', { lease: 1_000, maxDeliveries: 1, prefetch: 1 })
      for (const _ of numbers(2)) {
        await runtime.runUntil(silent.receive())
        await runtime.advance(pause)
      }
      await runtime.advance(2_000)
      for (const value of numbers(2)) {
        const place = { partition: value % partitions, offset: Math.floor(value / partitions) }
        const explained = await runtime.runUntil(admin.explain('t', 'default', place))
        expect(explained).toMatchObject({ state: 'suspect' })
      }
    },
  )
})
