import { describe, expect, it } from 'vitest'
import { Consumer } from '../../src/client/consumer/consumer.js'
import type { Message } from '../../src/client/consumer/message.js'
import type { ConsumerOptions } from '../../src/client/consumer/options.js'
import { PortalError } from '../../src/core/errors.js'
import { type VirtualRuntime, virtualRuntime } from '../../src/runtime/virtual.js'
import { fakeConnection, watch } from './client-support/fake-connection.js'
import { FakeQueue } from './client-support/fake-queue.js'

function setUp(count = 0, options: ConsumerOptions = {}) {
  const runtime = virtualRuntime()
  const queue = new FakeQueue(runtime)
  queue.fill(count)
  const connection = fakeConnection(queue.service, runtime)
  return { runtime, queue, connection, consumer: new Consumer<number>(connection, 't', options) }
}

const sleep = (runtime: VirtualRuntime, milliseconds: number) =>
  new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, milliseconds))

describe('receive', () => {
  it('asks for exactly one message, and for nothing while nobody asks', async () => {
    const { runtime, queue, consumer } = setUp(10)
    const message = await runtime.runUntil(consumer.receive())
    expect(message).toMatchObject({
      topic: 't',
      partition: 0,
      offset: 0,
      value: 0,
      timestamp: 1_000,
      deliveryCount: 1,
    })
    await runtime.advance(5_000)
    expect(queue.receives).toMatchObject([{ maxMessages: 1 }])
    expect(queue.waiting).toBe(0)
  })

  it('sleeps until there is one', async () => {
    const { runtime, queue, consumer } = setUp()
    const received = watch(consumer.receive())
    await runtime.advance(3_600_000)
    expect(received.settled).toBe(false)
    expect(queue.receives).toHaveLength(1)
    queue.fill(1)
    await runtime.settle()
    expect(received.value!.value).toBe(0)
  })

  it('says what is held after a receive that was given up: a grant may have been on its way', async () => {
    const { runtime, queue, consumer } = setUp(1)
    const message = await runtime.runUntil(consumer.receive())
    const controller = new AbortController()
    const given = watch(consumer.receive({ signal: controller.signal }))
    await runtime.settle()
    controller.abort()
    await runtime.settle()
    expect(given.error).toMatchObject({ code: 'ABORTED' })
    queue.fill(1)
    await runtime.runUntil(consumer.receive())
    expect(queue.receives.map(({ held }) => held?.length)).toEqual([undefined, undefined, 1])
    await runtime.runUntil(message.ack())
  })

  it('resolves to null at the timeout, also when the topic is missing', async () => {
    const { runtime, queue, consumer } = setUp()
    const received = watch(consumer.receive({ timeout: 100 }))
    await runtime.advance(99)
    expect(received.settled).toBe(false)
    await runtime.advance(1)
    expect(received.value).toBeNull()
    expect(await runtime.runUntil(consumer.receive({ timeout: 0 }))).toBeNull()
    queue.exists = false
    const other = new Consumer(fakeConnection(queue.service, runtime), 'missing')
    expect(await runtime.runUntil(other.receive({ timeout: 50 }))).toBeNull()
  })

  it('gives a message back that comes after its caller has gone', async () => {
    const { runtime, queue, consumer } = setUp()
    queue.latency = 50
    const controller = new AbortController()
    const received = watch(consumer.receive({ signal: controller.signal }))
    await runtime.advance(60)
    queue.fill(1)
    controller.abort('enough')
    await runtime.advance(200)
    expect(received.error).toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(queue.released).toBe(1)
    expect(queue.slots[0]).toMatchObject({ state: 'free', deliveries: 0 })
  })

  it('holds nothing of a message that it gave back: the consumer drains', async () => {
    const { runtime, queue, consumer } = setUp()
    queue.latency = 50
    const controller = new AbortController()
    const received = watch(consumer.receive({ signal: controller.signal }))
    await runtime.advance(60)
    queue.fill(1)
    controller.abort()
    await runtime.advance(200)
    expect([received.settled, queue.released]).toEqual([true, 1])
    const drained = watch(consumer.drain())
    await runtime.advance(200)
    expect(drained.settled).toBe(true)
  })

  it('tries again when the line goes dead', async () => {
    const { runtime, queue, consumer } = setUp(1)
    queue.receiveErrors.push(new PortalError('DISCONNECTED', 'x'), new PortalError('DISCONNECTED', 'x'))
    expect((await runtime.runUntil(consumer.receive())).value).toBe(0)
    expect(queue.receives).toHaveLength(3)
  })

  it('waits for a topic that is missing, and warns once after 5 s', async () => {
    const { runtime, queue, consumer, connection } = setUp()
    queue.exists = false
    const received = watch(consumer.receive())
    await runtime.advance(4_999)
    expect(connection.log).toHaveLength(0)
    await runtime.advance(60_000)
    expect(connection.log).toMatchObject([{ level: 'warn', fields: { topic: 't', group: 'default' } }])
    queue.create()
    queue.fill(1)
    await runtime.settle()
    expect(received.value!.value).toBe(0)
  })

  it('says nothing of a topic while the answer is late: the topic may well exist', async () => {
    const { runtime, queue } = setUp(1)
    const { findTopic } = queue.service
    const connection = fakeConnection(
      { ...queue.service, findTopic: (...asked) => sleep(runtime, 30_000).then(() => findTopic!(...asked)) },
      runtime,
    )
    const received = watch(new Consumer(connection, 't').receive())
    await runtime.advance(30_000)
    expect(received.value!.value).toBe(0)
    expect(connection.log).toEqual([])
  })
})

describe('joining', () => {
  it('says only what was said explicitly', async () => {
    const { runtime, queue, consumer } = setUp(1, {
      group: 'g',
      maxDeliveries: 3,
      from: new Date(5),
      backoff: { max: 9 },
    })
    await runtime.runUntil(consumer.receive())
    expect(queue.joins).toEqual([
      {
        topic: 't',
        group: 'g',
        settings: { maxDeliveries: 3, backoff: { max: 9 } },
        from: { time: 5 },
        create: true,
      },
    ])
  })

  it('joins again when the group was moved, but never makes a deleted one anew', async () => {
    const { runtime, queue, consumer } = setUp(2)
    const first = await runtime.runUntil(consumer.receive())
    const signal = first.signal
    queue.seek()
    expect((await runtime.runUntil(consumer.receive())).offset).toBe(0)
    expect(queue.joins.map(({ create }) => create)).toEqual([true, false])
    expect(signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    await expect(first.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    queue.generation++
    queue.joinError = new PortalError('GROUP_NOT_FOUND', 'It was deleted.')
    await expect(runtime.runUntil(consumer.receive())).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
  })

  it('tells loops, runs and receives of a conflict', async () => {
    const { runtime, queue, consumer } = setUp(1)
    queue.joinError = new PortalError('GROUP_CONFLICT', 'Others have other settings.')
    const conflict = { code: 'GROUP_CONFLICT' }
    await expect(runtime.runUntil(consumer.receive())).rejects.toMatchObject(conflict)
    await expect(runtime.runUntil(consumer.run(() => {}))).rejects.toMatchObject(conflict)
    const loop = consumer[Symbol.asyncIterator]()
    await expect(runtime.runUntil(loop.next())).rejects.toMatchObject(conflict)
    expect(await loop.next()).toEqual({ done: true, value: undefined })
  })
})

describe('settling', () => {
  it('puts everything of a turn into one request, and numbers requests', async () => {
    const { runtime, queue, consumer } = setUp(100, { prefetch: 100 })
    const loop = consumer[Symbol.asyncIterator]()
    const acks: Promise<void>[] = []
    for (let i = 0; i < 10; i++) {
      const { value } = await runtime.runUntil(loop.next())
      acks.push(i === 3 ? value!.nack({ delay: 7, reason: 'odd' }) : value!.ack())
    }
    await runtime.runUntil(Promise.all(acks))
    const settlements = queue.settles.flatMap((request) => request.settlements)
    const acked = settlements.filter(({ outcome }) => outcome === 'ack').flatMap(({ ranges }) => ranges)
    expect(acked.at(0)).toBe(0)
    expect(acked.at(-1)).toBe(10)
    expect(queue.nacks).toEqual([{ offset: 3, delay: 7, reason: 'odd' }])
    expect(queue.settles.map(({ number }) => number)).toEqual(queue.settles.map((_, at) => at + 1))
  })

  it('merges neighbours, whatever the order of their acks', async () => {
    const { runtime, queue, consumer } = setUp(5, { prefetch: 5 })
    const loop = consumer[Symbol.asyncIterator]()
    const messages: Message<number>[] = []
    for (let i = 0; i < 5; i++) messages.push((await runtime.runUntil(loop.next())).value!)
    await runtime.settle()
    const before = queue.settles.length
    await runtime.runUntil(Promise.all([4, 0, 1, 3].map((at) => messages[at]!.ack())))
    expect(
      queue.settles.slice(before).map(({ settlements }) => settlements.map(({ ranges }) => ranges)),
    ).toEqual([[[0, 2, 3, 5]]])
  })

  it('repeats a request under its number when the answer was lost', async () => {
    const { runtime, queue, consumer } = setUp(1)
    const message = await runtime.runUntil(consumer.receive())
    queue.settleErrors.push(new PortalError('DISCONNECTED', 'x'), new PortalError('NOT_LEADER', 'x'))
    await runtime.runUntil(message.ack())
    expect(queue.settles.map(({ number }) => number)).toEqual([1, 1, 1])
    expect(queue.count('acked')).toBe(1)
  })

  it('twice with the same outcome gives the first promise; another outcome comes too late', async () => {
    const { runtime, queue, consumer } = setUp(1)
    const message = await runtime.runUntil(consumer.receive())
    const first = message.ack()
    expect(message.ack()).toBe(first)
    await expect(message.nack()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(message.extend(5)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await runtime.runUntil(first)
    await message.ack()
    expect(queue.count('acked')).toBe(1)
  })

  it('a late ack rejects with LEASE_LOST, changes nothing, and aborts the signal (invariant 18)', async () => {
    const { runtime, queue, consumer, connection } = setUp(1, { lease: 1_000 })
    const message = await runtime.runUntil(consumer.receive())
    expect(message.signal.aborted).toBe(false)
    await runtime.advance(1_000)
    expect(message.signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    await expect(message.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    const again = await runtime.runUntil(consumer.receive())
    expect(again).toMatchObject({ offset: 0, deliveryCount: 2 })
    await runtime.advance(1_000)
    await expect(runtime.runUntil(again.ack())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(connection.log.at(-1)!.message).toMatch(/leases were lost/)
    expect(queue.count('acked')).toBe(0)
  })

  it('an ack that nobody awaits never raises an unhandled rejection: it is logged', async () => {
    const raised: unknown[] = []
    const listen = (error: unknown) => raised.push(error)
    process.on('unhandledRejection', listen)
    try {
      const { runtime, consumer, connection, queue } = setUp(3, { lease: 1_000 })
      const [a, b, c] = [
        await runtime.runUntil(consumer.receive()),
        await runtime.runUntil(consumer.receive()),
        await runtime.runUntil(consumer.receive()),
      ]
      queue.settleErrors.push(new PortalError('STORAGE_FAILED', 'x'))
      void a.ack()
      await runtime.settle()
      await runtime.advance(1_000)
      void b.ack()
      void c.nack()
      void c.ack()
      await runtime.settle()
      await new Promise((resolve) => setImmediate(resolve))
      expect(raised).toEqual([])
      expect(connection.log.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn'])
    } finally {
      process.off('unhandledRejection', listen)
    }
  })

  it('extend keeps the message for longer', async () => {
    const { runtime, queue, consumer } = setUp(1, { lease: 1_000 })
    const message = await runtime.runUntil(consumer.receive())
    const { signal } = message
    await runtime.advance(900)
    await runtime.runUntil(message.extend(5_000))
    await runtime.advance(4_900)
    expect(signal.aborted).toBe(false)
    await runtime.runUntil(message.ack())
    expect(queue.expired).toBe(0)
  })

  it('nor does anybody have to look at its signal for that', async () => {
    const { runtime, queue, consumer } = setUp(2, { lease: 1_000, prefetch: 2 })
    const loop = consumer[Symbol.asyncIterator]()
    const { value } = await runtime.runUntil(loop.next())
    await runtime.runUntil(loop.next())
    await runtime.advance(900)
    await runtime.runUntil(value!.extend(5_000))
    await runtime.advance(4_900)
    await runtime.runUntil(value!.ack())
    expect(queue.slots.map(({ state }) => state)).toEqual(['acked', 'leased'])
    expect(queue.expired).toBeGreaterThan(0)
  })
})

describe('looping', () => {
  it('delivers everything once, and acks nobody awaits', async () => {
    const { runtime, queue, consumer } = setUp(5_000)
    const seen: number[] = []
    const loop = (async () => {
      for await (const message of consumer) {
        seen.push(message.value)
        void message.ack()
        if (seen.length === 5_000) break
      }
    })()
    await runtime.runUntil(loop)
    await runtime.runUntil(consumer.close())
    expect(new Set(seen).size).toBe(5_000)
    expect(seen).toHaveLength(5_000)
    expect(queue.count('acked')).toBe(5_000)
    expect(runtime.pendingTimers).toBe(0)
  })

  it('leaving gives back what was not handed out, uncounted, and cancels the waiting request', async () => {
    const { runtime, queue, consumer } = setUp(50, { prefetch: 50 })
    const loop = (async () => {
      for await (const message of consumer) {
        await message.ack()
        if (message.offset === 9) break
      }
    })()
    await runtime.runUntil(loop)
    await runtime.settle()
    expect(queue.count('acked')).toBe(10)
    expect(queue.count('free')).toBe(40)
    expect(queue.slots.slice(10).every(({ deliveries }) => deliveries === 0)).toBe(true)
    expect(queue.waiting).toBe(0)
  })

  it('leaving gives back a grant that comes late', async () => {
    const { runtime, queue, consumer } = setUp(0)
    queue.latency = 20
    const loop = consumer[Symbol.asyncIterator]()
    const next = watch(loop.next())
    await runtime.advance(25)
    queue.fill(3)
    await runtime.runUntil(loop.return!())
    await runtime.advance(100)
    expect(next.value).toEqual({ done: true, value: undefined })
    expect(queue.count('free')).toBe(3)
    expect(queue.expired).toBe(0)
  })

  it('hands out some 500 messages a turn, then lets the event loop live', async () => {
    const { runtime, consumer } = setUp(4_000, { prefetch: 4_000 })
    let seen = 0
    const perTurn: number[] = []
    const look = () => {
      perTurn.push(seen)
      if (seen < 4_000) runtime.timers.defer(look)
    }
    look()
    const loop = (async () => {
      for await (const message of consumer) {
        void message.ack()
        if (++seen === 4_000) break
      }
    })()
    await runtime.runUntil(loop)
    const most = Math.max(...perTurn.map((count, at) => count - (perTurn[at - 1] ?? 0)))
    // A turn of the fake clock drains a bounded number of promises, so this is an upper bound only.
    expect(most).toBeLessThanOrEqual(500)
  })

  it('ends when the consumer closes, throws when the broker does', async () => {
    const one = setUp()
    const ended = watch(one.consumer[Symbol.asyncIterator]().next())
    await one.runtime.settle()
    await one.runtime.runUntil(one.consumer.close())
    expect(ended.value).toEqual({ done: true, value: undefined })

    const other = setUp()
    const thrown = watch(other.consumer[Symbol.asyncIterator]().next())
    const run = watch(other.consumer.run(() => {}))
    const received = watch(other.consumer.receive())
    await other.runtime.settle()
    other.connection.closeBroker()
    await other.runtime.settle()
    for (const { error } of [thrown, run, received]) expect(error).toMatchObject({ code: 'CLOSED' })
    await other.runtime.runUntil(other.consumer.close())
    expect(other.runtime.pendingTimers).toBe(0)
  })
})

describe('run', () => {
  it('1,000 messages, handlers of 1 s, concurrency 1, defaults: no lease ends (invariant 22)', async () => {
    const { runtime, queue, consumer } = setUp(1_000)
    let handled = 0
    const run = consumer.run(async () => {
      await sleep(runtime, 1_000)
      if (++handled === 1_000) void consumer.close()
    })
    await runtime.runUntil(run)
    expect(queue.count('acked')).toBe(1_000)
    expect(queue.expired).toBe(0)
    expect(queue.mostDeliveries).toBe(1)
  })

  it('nor with a large fixed prefetch: those that wait are renewed', async () => {
    const { runtime, queue, consumer } = setUp(1_000, { prefetch: 1_000 })
    let handled = 0
    const run = consumer.run(async () => {
      await sleep(runtime, 1_000)
      if (++handled === 1_000) void consumer.close()
    })
    await runtime.runUntil(run)
    expect(queue.expired).toBe(0)
    expect(queue.mostDeliveries).toBe(1)
  })

  it('has as many handlers at a time as it was told', async () => {
    const { runtime, consumer } = setUp(40)
    let active = 0
    let most = 0
    let handled = 0
    await runtime.runUntil(
      consumer.run(
        async () => {
          most = Math.max(most, ++active)
          await sleep(runtime, 10)
          active--
          if (++handled === 40) void consumer.close()
        },
        { concurrency: 8 },
      ),
    )
    expect(most).toBe(8)
  })

  it('a throw is a nack with the group’s backoff; the message comes back', async () => {
    const { runtime, queue, consumer, connection } = setUp(1)
    const counts: number[] = []
    await runtime.runUntil(
      consumer.run((message) => {
        counts.push(message.deliveryCount)
        if (counts.length < 3) throw new Error('not today')
        void consumer.close()
      }),
    )
    expect(counts).toEqual([1, 2, 3])
    expect(queue.nacks).toEqual([
      { offset: 0, delay: undefined, reason: 'not today' },
      { offset: 0, delay: undefined, reason: 'not today' },
    ])
    expect(connection.log.filter(({ level }) => level === 'warn')).toHaveLength(2)
  })

  it('a handler that settled by itself keeps its outcome', async () => {
    const { runtime, queue, consumer } = setUp(3)
    await runtime.runUntil(
      consumer.run(async (message) => {
        if (message.offset === 0) await message.reject('never')
        if (message.offset === 1) {
          await message.ack()
          throw new Error('too late')
        }
        if (message.offset === 2) void consumer.close()
      }),
    )
    expect(queue.slots.map(({ state }) => state)).toEqual(['rejected', 'acked', 'acked'])
  })

  it('renews the leases of handlers up to the timeout; then they have failed', async () => {
    const { runtime, queue, consumer } = setUp(1, { lease: 1_000 })
    let aborted: unknown
    const run = watch(
      consumer.run(
        (message) =>
          new Promise<void>((resolve) => {
            message.signal.addEventListener('abort', () => {
              aborted = message.signal.reason
              void consumer.close()
              resolve()
            })
          }),
        { timeout: 10_000 },
      ),
    )
    await runtime.advance(9_999)
    expect(queue.expired).toBe(0)
    expect(aborted).toBeUndefined()
    await runtime.advance(1)
    expect(aborted).toMatchObject({ code: 'TIMEOUT' })
    await runtime.settle()
    expect(queue.nacks).toMatchObject([{ offset: 0 }])
    expect(queue.expired).toBe(0)
    expect(run.settled).toBe(true)
  })

  it('aborts the signal of a message whose lease was lost, and ignores what its handler says', async () => {
    const { runtime, queue, consumer } = setUp(1, { lease: 3_000 })
    let reason: unknown
    const run = consumer.run(async (message) => {
      message.signal.addEventListener('abort', () => (reason = message.signal.reason))
      await sleep(runtime, 20_000)
      void consumer.close()
    })
    await runtime.advance(500)
    queue.slots[0]!.token = 99
    await runtime.advance(1_500)
    expect(reason).toMatchObject({ code: 'LEASE_LOST' })
    await runtime.runUntil(run)
    expect(queue.count('acked')).toBe(0)
  })

  it('ends with its signal once handlers have finished; the consumer stays open', async () => {
    const { runtime, queue, consumer } = setUp(10)
    const controller = new AbortController()
    const run = watch(consumer.run(() => sleep(runtime, 1_000), { signal: controller.signal }))
    await runtime.advance(2_500)
    controller.abort()
    await runtime.settle()
    expect(run.settled).toBe(false)
    await runtime.advance(500)
    expect(run.settled).toBe(true)
    expect(queue.count('acked')).toBe(3)
    expect(queue.count('free')).toBe(7)
    expect(await runtime.runUntil(consumer.receive())).toBeDefined()
  })
})

describe('prefetch', () => {
  it('begins at the concurrency and doubles while the buffer runs dry, up to 4,096', async () => {
    const { runtime, queue, consumer } = setUp(40_000)
    queue.latency = 5
    let handled = 0
    await runtime.runUntil(
      consumer.run(
        () => {
          if (++handled === 40_000) void consumer.close()
        },
        { concurrency: 4 },
      ),
    )
    const asked = queue.receives.map(({ maxMessages }) => maxMessages)
    expect(asked[0]).toBe(4)
    expect(Math.max(...asked)).toBeGreaterThan(2_048)
    expect(Math.max(...asked)).toBeLessThanOrEqual(4_096)
  })

  it('halves while messages wait longer than a tenth of the lease, and gives back the surplus', async () => {
    const { runtime, queue, consumer } = setUp(3_000, { lease: 10_000 })
    queue.latency = 5
    let pace = 0
    let handled = 0
    const run = watch(
      consumer.run(() => {
        handled++
        return pace === 0 ? undefined : sleep(runtime, pace)
      }),
    )
    await runtime.runUntil(() => handled > 1_000)
    pace = 500
    await runtime.advance(30_000)
    expect(queue.count('leased')).toBeLessThan(5)
    expect(queue.mostDeliveries).toBe(1)
    expect(queue.expired).toBe(0)
    void consumer.close()
    await runtime.runUntil(() => run.settled)
  })

  it('never holds more than it was told', async () => {
    const { runtime, queue, consumer } = setUp(500, { prefetch: 10 })
    let handled = 0
    let most = 0
    await runtime.runUntil(
      consumer.run(async () => {
        most = Math.max(most, queue.count('leased'))
        await sleep(runtime, 1)
        if (++handled === 500) void consumer.close()
      }),
    )
    expect(most).toBeLessThanOrEqual(10)
  })

  it('has room again once the lease of what was forgotten is over', async () => {
    for (const prefetch of ['auto', 1, 2] as const) {
      const { runtime, queue, consumer } = setUp(10, { prefetch, lease: 1_000 })
      for (let forgotten = 0; forgotten < 6; forgotten++) {
        const loop = consumer[Symbol.asyncIterator]()
        await runtime.runUntil(loop.next())
        await loop.return!()
      }
      expect(queue.expired).toBeGreaterThan(0)
    }
  })

  it('covers what handlers have for longer than a lease', async () => {
    const { runtime, queue, consumer } = setUp(20, { prefetch: 2, lease: 1_000 })
    const run = watch(consumer.run(() => sleep(runtime, 3_000), { concurrency: 2 }))
    await runtime.advance(15_500)
    expect(queue.count('acked')).toBe(10)
    expect(queue.count('leased')).toBe(2)
    expect(queue.expired).toBe(0)
    void consumer.close()
    await runtime.runUntil(() => run.settled)
  })

  it('of an idle topic stays small: a burst is not hoarded', async () => {
    const { runtime, queue, consumer } = setUp()
    const run = watch(consumer.run(() => sleep(runtime, 1)))
    for (let i = 0; i < 50; i++) {
      queue.fill(1)
      await runtime.advance(100)
    }
    expect(Math.max(...queue.receives.map(({ maxMessages }) => maxMessages))).toBeLessThanOrEqual(64)
    void consumer.close()
    await runtime.runUntil(() => run.settled)
  })
})

describe('a stalled process', () => {
  it('does not hand out what waited past its lease: somebody else has it', async () => {
    const { runtime, queue, consumer } = setUp(10, { prefetch: 10, lease: 1_000 })
    const loop = consumer[Symbol.asyncIterator]()
    await runtime.runUntil(loop.next())
    queue.settleErrors.push(...Array.from({ length: 8 }, () => new PortalError('DISCONNECTED', 'x')))
    queue.receiveErrors.push(...Array.from({ length: 8 }, () => new PortalError('DISCONNECTED', 'x')))
    await runtime.advance(2_000)
    const { value } = await runtime.runUntil(loop.next())
    expect(value).toMatchObject({ offset: 0, deliveryCount: 2 })
  })
})

describe('draining and closing', () => {
  it('drain finishes what it holds, then ends loops, runs and receives', async () => {
    const { runtime, queue, consumer } = setUp(100, { prefetch: 20 })
    const run = watch(consumer.run(() => sleep(runtime, 100)))
    const received = watch(consumer.receive())
    await runtime.advance(250)
    const receives = queue.receives.length
    const drained = watch(consumer.drain())
    await runtime.advance(5_000)
    expect(run.settled).toBe(true)
    expect(queue.receives).toHaveLength(receives)
    expect(queue.count('leased')).toBe(1)
    expect(drained.settled).toBe(false)
    await runtime.runUntil(received.value!.ack())
    await runtime.runUntil(drained.promise)
    await expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('asks the broker whether an ack of what was forgotten comes too late', async () => {
    const { runtime, queue, consumer, connection } = setUp(1, { lease: 1_000, prefetch: 1 })
    const first = await runtime.runUntil(consumer.receive())
    const second = watch(consumer.receive())
    await runtime.advance(1_000)
    expect(second.value).toMatchObject({ offset: 0, deliveryCount: 2 })
    await expect(runtime.runUntil(first.ack())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(connection.log.at(-1)!.message).toMatch(/leases were lost/)
    expect(first.signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    await runtime.runUntil(second.value!.ack())
    expect(queue.count('acked')).toBe(1)
  })

  it('drain waits for what was forgotten until its lease is over', async () => {
    const { runtime, consumer } = setUp(1, { lease: 1_000 })
    await runtime.runUntil(consumer.receive())
    const drained = watch(consumer.drain())
    await runtime.advance(999)
    expect(drained.settled).toBe(false)
    await runtime.advance(1)
    expect(drained.settled).toBe(true)
  })

  it('close gives back what waits, waits for what is in hand, and then gives that back too', async () => {
    const { runtime, queue, consumer } = setUp(10, { prefetch: 10 })
    const loop = consumer[Symbol.asyncIterator]()
    const first = (await runtime.runUntil(loop.next())).value!
    const second = (await runtime.runUntil(loop.next())).value!
    const { signal } = second
    const closed = watch(consumer.close({ timeout: 5_000 }))
    const ended = watch(loop.next())
    await runtime.advance(1_000)
    expect(queue.count('free')).toBe(8)
    expect(ended.value).toEqual({ done: true, value: undefined })
    await runtime.runUntil(first.ack())
    expect(closed.settled).toBe(false)
    await runtime.advance(4_000)
    expect(closed.settled).toBe(true)
    expect(signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    expect(queue.slots[1]).toMatchObject({ state: 'free', deliveries: 0 })
    expect(runtime.pendingTimers).toBe(0)
  })

  it('rejects waiting receives with CLOSED, and may be called twice; nothing works after', async () => {
    const { runtime, consumer } = setUp()
    const received = watch(consumer.receive())
    await runtime.settle()
    await runtime.runUntil(Promise.all([consumer.close(), consumer.close()]))
    expect(received.error).toMatchObject({ code: 'CLOSED' })
    await expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(consumer.run(() => {})).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => consumer[Symbol.asyncIterator]()).toThrow(/closed/)
  })

  it('the consumer’s own signal closes it; waiting receives reject with ABORTED', async () => {
    const controller = new AbortController()
    const { runtime, consumer } = setUp(0, { signal: controller.signal })
    const received = watch(consumer.receive())
    const run = watch(consumer.run(() => {}))
    await runtime.settle()
    controller.abort('enough')
    await runtime.settle()
    expect(received.error).toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(run).toMatchObject({ settled: true })
    expect(run.error).toBeUndefined()
  })

  it('close resolves although a handler never ends', async () => {
    const { runtime, queue, consumer } = setUp(1)
    const run = watch(consumer.run(() => new Promise(() => {})))
    await runtime.settle()
    await runtime.runUntil(consumer.close({ timeout: 1_000 }))
    await runtime.settle()
    expect(run.settled).toBe(true)
    expect(queue.count('free')).toBe(1)
    expect(runtime.pendingTimers).toBe(0)
  })
})

describe('arguments', () => {
  const { connection } = setUp()
  const cases: [string, () => unknown, RegExp][] = [
    ['a topic that cannot be', () => new Consumer(connection, '..'), /topic name '\.\.'/],
    ['a group that cannot be', () => new Consumer(connection, 't', { group: 'a b' }), /group name/],
    ['an unknown option', () => new Consumer(connection, 't', { prefech: 1 } as never), /'prefetch'/],
    ['an order of later', () => new Consumer(connection, 't', { order: 'key' as never }), /'none'/],
    ['maxDeliveries of 0', () => new Consumer(connection, 't', { maxDeliveries: 0 }), /maxDeliveries/],
    ['a prefetch of 5,000', () => new Consumer(connection, 't', { prefetch: 5_000 }), /4096/],
    ['deadLetter true', () => new Consumer(connection, 't', { deadLetter: true as never }), /false/],
    ['a jitter of 2', () => new Consumer(connection, 't', { backoff: { jitter: 2 } }), /backoff\.jitter/],
  ]
  it.each(cases)('throws for %s', (_, make, message) => {
    expect(make).toThrow(message)
  })

  it('rejects what run and receive cannot take', async () => {
    const { consumer, queue } = setUp(1)
    await expect(consumer.run(() => {}, { concurrency: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(consumer.run('work' as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(consumer.receive({ timeout: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(queue.receives).toHaveLength(0)
  })
})
