import { describe, expect, test } from 'vitest'
import { Admin, Consumer, type ConsumerOptions } from '../../src/index.js'
import {
  numbers,
  openBroker,
  openVirtualBroker,
  receiveMany,
  sendNumbers,
  untilClosed,
} from './support/broker.js'

describe('the settings of a group', () => {
  test('are those of its first consumer; another explicit value throws GROUP_CONFLICT, silence and the same value do not', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 10)
    const first: ConsumerOptions = {
      order: 'none',
      from: 'earliest',
      maxDeliveries: 3,
      backoff: { initial: 5, max: 50, factor: 1, jitter: 0 },
      deadLetter: 'graveyard',
    }
    await new Consumer(broker, 't', first).receive()
    await new Consumer(broker, 't', first).receive()
    await new Consumer(broker, 't').receive()
    const others: ConsumerOptions[] = [
      { from: 'latest' },
      { from: new Date() },
      { maxDeliveries: 4 },
      { backoff: { initial: 6 } },
      { deadLetter: false },
      { deadLetter: 'elsewhere' },
    ]
    for (const other of others) {
      const name = Object.keys(other)[0]!
      const conflict = {
        code: 'GROUP_CONFLICT',
        message: expect.stringMatching(new RegExp(`default.*${name}`, 's')),
      }
      await expect(new Consumer(broker, 't', other).receive()).rejects.toMatchObject(conflict)
      await expect(new Consumer(broker, 't', other).run(() => {})).rejects.toMatchObject(conflict)
      await expect(new Consumer(broker, 't', other)[Symbol.asyncIterator]().next()).rejects.toMatchObject(
        conflict,
      )
    }
    expect((await new Admin(broker).describeGroup('t', 'default')).settings).toEqual({
      order: 'none',
      maxDeliveries: 3,
      backoff: { initial: 5, max: 50, factor: 1, jitter: 0 },
      deadLetter: 'graveyard',
    })
  })

  test('of which a part was asked for do not conflict with the parts that were left out', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 10)
    await new Consumer(broker, 't', { backoff: { initial: 5, max: 50 } }).receive()
    await new Consumer(broker, 't', { backoff: { initial: 5 } }).receive()
  })

  test('are changed by updateGroup for those who consume already', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    const admin = new Admin(broker)
    let handled = 0
    void untilClosed(
      new Consumer(broker, 't', { maxDeliveries: 1_000, backoff: { initial: 1_000, factor: 1 } }).run(() => {
        handled++
        throw new Error('always')
      }),
    )
    await runtime.runUntil(() => handled === 3)
    await runtime.runUntil(admin.updateGroup('t', 'default', { maxDeliveries: 5, deadLetter: 'late' }))
    await runtime.advance(60_000)
    expect(handled).toBe(5)
    const dead = await runtime.runUntil(new Consumer(broker, 'late').receive())
    expect(dead.value).toBe(0)
    await expect(
      runtime.runUntil(admin.updateGroup('t', 'default', { maxDeliveries: 0 })),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(
      runtime.runUntil(admin.updateGroup('t', 'none', { maxDeliveries: 2 })),
    ).rejects.toMatchObject({
      code: 'GROUP_NOT_FOUND',
    })
  })

  test('that make no sense are refused before anything happens', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const wrong = [
      { maxDeliveries: 0 },
      { lease: 1 },
      { prefetch: 0 },
      { prefetch: 5_000 },
      { order: 'key' },
      { backoff: { jitter: 2 } },
      { backoff: { inital: 2 } },
      { from: 'first' },
      { from: new Date(Number.NaN) },
      { deadLetter: true },
      { group: 'a/b' },
      { maxDelivery: 3 },
      { signal: 'x' },
    ]
    for (const options of wrong) {
      expect(() => new Consumer(broker, 't', options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    }
    expect(() => new Consumer({} as never, 't')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
    expect(() => new Consumer(Promise.resolve(broker) as never, 't')).toThrow(/await/)
  })
})

describe('where a group begins', () => {
  test('is the oldest message by default, with latest what comes after it, with a Date what was stored since', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const start = runtime.clock.now()
    for (let at = 0; at < 5; at++) {
      await runtime.runUntil(sendNumbers(broker, 't', at + 1, at))
      await runtime.advance(60_000)
    }
    const latest = new Consumer<number>(broker, 't', { group: 'latest', from: 'latest' })
    const afterwards = latest.receive()
    const since = new Consumer<number>(broker, 't', { group: 'since', from: new Date(start + 150_000) })
    const values = async (consumer: Consumer<number>, count: number) =>
      (await runtime.runUntil(receiveMany(consumer, count))).map(({ value }) => value)
    expect(await values(since, 2)).toEqual([3, 4])
    expect(await values(new Consumer(broker, 't'), 5)).toEqual(numbers(5))
    await runtime.runUntil(sendNumbers(broker, 't', 6, 5))
    expect((await runtime.runUntil(afterwards)).value).toBe(5)
  })

  test("is 'latest' once and for all: a consumer that comes back gets what came while it was away", async () => {
    const directory = ':memory:'
    const broker = await openBroker({ directory })
    await sendNumbers(broker, 't', 5)
    const options = { group: 'g', from: 'latest' } as const
    const first = new Consumer(broker, 't', options)
    expect(await first.receive({ timeout: 20 })).toBeNull()
    await first.close()
    await sendNumbers(broker, 't', 7, 5)
    const again = await receiveMany(new Consumer<number>(broker, 't', options), 2)
    expect(again.map(({ value }) => value)).toEqual([5, 6])
  })

  test('can be fixed by createGroup before anybody consumes', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const admin = new Admin(broker)
    await sendNumbers(broker, 't', 5)
    const description = await admin.createGroup('t', 'g', { from: 'latest', maxDeliveries: 2 })
    expect(description).toMatchObject({ name: 'g', topic: 't', settings: { maxDeliveries: 2 } })
    await expect(admin.createGroup('t', 'g', { maxDeliveries: 3 })).rejects.toMatchObject({
      code: 'GROUP_CONFLICT',
    })
    await sendNumbers(broker, 't', 6, 5)
    expect((await new Consumer(broker, 't', { group: 'g' }).receive()).value).toBe(5)
  })
})

describe('an administrator', () => {
  test('pauses a group: those who hold messages can settle them, nobody gets more until it is resumed', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const admin = new Admin(broker)
    await runtime.runUntil(sendNumbers(broker, 't', 3))
    const consumer = new Consumer<number>(broker, 't')
    const held = await runtime.runUntil(consumer.receive())
    await runtime.runUntil(admin.pauseGroup('t', 'default'))
    await runtime.runUntil(held.ack())
    let next: number | undefined
    void consumer.receive().then(({ value }) => {
      next = value
    })
    await runtime.advance(600_000)
    expect(next).toBeUndefined()
    expect(await runtime.runUntil(admin.explain('t', 'default', { partition: 0, offset: 1 }))).toMatchObject({
      state: 'blocked',
      reason: expect.stringContaining('paused'),
    })
    await runtime.runUntil(admin.resumeGroup('t', 'default'))
    await runtime.runUntil(() => next !== undefined)
    expect(next).toBe(1)
  })

  test('moves a group back and forth; whoever holds messages has lost them [invariant 19, per generation]', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const admin = new Admin(broker)
    const start = runtime.clock.now()
    for (let at = 0; at < 4; at++) {
      await runtime.runUntil(sendNumbers(broker, 't', at + 1, at))
      await runtime.advance(60_000)
    }
    const consumer = new Consumer<number>(broker, 't')
    const values = async (count: number) => {
      const messages = await runtime.runUntil(receiveMany(consumer, count))
      await runtime.runUntil(Promise.all(messages.map((message) => message.ack())))
      return messages.map(({ value }) => value)
    }
    expect(await values(3)).toEqual([0, 1, 2])
    const held = await runtime.runUntil(consumer.receive())
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 'earliest' }))
    await expect(runtime.runUntil(held.ack())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await values(4)).toEqual([0, 1, 2, 3])
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 2 }))
    expect(await values(2)).toEqual([2, 3])
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: new Date(start + 30_000) }))
    expect(await values(3)).toEqual([1, 2, 3])
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 0 }))
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 'latest' }))
    expect(await runtime.runUntil(consumer.receive({ timeout: 1_000 }))).toBeNull()
    await expect(runtime.runUntil(admin.seekGroup('t', 'default', { to: 99 }))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    await expect(runtime.runUntil(admin.seekGroup('t', 'default', { to: -1 }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  test('moves a group under a loop, which goes on from there', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const admin = new Admin(broker)
    await runtime.runUntil(sendNumbers(broker, 't', 10))
    const got: number[] = []
    void untilClosed(new Consumer<number>(broker, 't').run(async ({ value }) => void got.push(value)))
    await runtime.runUntil(() => got.length === 10)
    await runtime.runUntil(admin.seekGroup('t', 'default', { to: 7 }))
    await runtime.runUntil(() => got.length === 13)
    expect(got.slice(10)).toEqual([7, 8, 9])
  })

  test('deletes a group: its consumers are told, the next one begins anew', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const admin = new Admin(broker)
    await sendNumbers(broker, 't', 3)
    const consumer = new Consumer<number>(broker, 't')
    const held = await receiveMany(consumer, 3)
    const waiting = consumer.receive()
    const running = new Consumer(broker, 't').run(() => {})
    const told = Promise.all([
      expect(waiting).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' }),
      expect(running).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' }),
    ])
    await expect
      .poll(async () => (await admin.describeGroup('t', 'default')).partitions[0]!.members.length)
      .toBe(2)
    await admin.deleteGroup('t', 'default')
    await told
    await expect(held[0]!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await admin.listGroups('t')).toEqual([])
    await expect(admin.deleteGroup('t', 'default')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
    await expect(admin.describeGroup('t', 'default')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
    const anew = await receiveMany(new Consumer<number>(broker, 't', { maxDeliveries: 77 }), 3)
    expect(anew.map(({ value, deliveryCount }) => [value, deliveryCount])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ])
  })

  test('sees who waits, who holds, what is behind, and why a message is not delivered', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const admin = new Admin(broker)
    await runtime.runUntil(sendNumbers(broker, 't', 6))
    const consumer = new Consumer<number>(broker, 't', { consumerId: 'worker-7' })
    const [acked, nacked] = await runtime.runUntil(receiveMany(consumer, 3))
    await runtime.runUntil(Promise.all([acked!.ack(), nacked!.nack({ delay: 60_000, reason: 'no' })]))
    const [partition] = (await runtime.runUntil(admin.describeGroup('t', 'default'))).partitions
    expect(partition).toMatchObject({
      floor: 1,
      lag: 5,
      inFlight: 1,
      retrying: 1,
      acked: 1,
      oldestUnsettled: { offset: 1 },
      members: [expect.stringMatching(/^worker-7/)],
    })
    expect(await runtime.runUntil(admin.listGroups('t'))).toEqual([
      { name: 'default', topic: 't', paused: false, lag: 5 },
    ])
    const states = []
    for (const offset of numbers(7))
      states.push((await runtime.runUntil(admin.explain('t', 'default', { partition: 0, offset }))).state)
    expect(states).toEqual(['settled', 'waiting', 'leased', 'available', 'available', 'available', 'missing'])
    expect(await runtime.runUntil(admin.explain('t', 'default', { partition: 0, offset: 1 }))).toMatchObject({
      until: new Date(runtime.clock.now() + 60_000),
      reason: expect.stringContaining('no'),
    })
  })
})
