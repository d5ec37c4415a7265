import { setTimeout as after } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { http } from '../../src/http.js'
import { Admin, type Broker, Consumer, createBroker, Lock, Producer, Reader } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import {
  LogBook,
  numbers,
  openBroker,
  openVirtualBroker,
  receiveMany,
  sendNumbers,
  temporaryDirectory,
} from './support/broker.js'
import { startChild } from './support/child.js'

const CLOSED = { code: 'CLOSED' }

let program: string
beforeAll(async () => {
  program = await bundleProgram('test/integration/close/child.ts', 'close-child')
})

async function readAll(reader: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of reader);
}

describe('closing a broker', () => {
  test('lets the process end by itself, whatever still waits, holds or runs', async () => {
    const child = startChild(program, await temporaryDirectory())
    expect(await child.said('closed')).toBe('closed true')
    const started = performance.now()
    expect(await child.ended).toBe(0)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('finishes the sends that it had accepted, and they are there', async () => {
    const directory = await temporaryDirectory()
    const broker = await createBroker({ directory, logger: new LogBook() })
    const producer = new Producer(broker)
    await producer.send('t', -1)
    const sends = numbers(2_000).map((at) => producer.send('t', at))
    // They are in requests once a turn is over.
    await after(1)
    const closing = broker.close()
    const results = await Promise.allSettled(sends)
    await closing
    const stored = results.filter(({ status }) => status === 'fulfilled').length
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject(CLOSED)
    const again = await openBroker({ directory })
    const { nextOffset } = (await new Admin(again).describeTopic('t')).partitions[0]!
    expect(nextOffset).toBeGreaterThanOrEqual(stored + 1)
  })

  test('rejects everything that waits with CLOSED', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 1)
    const held = await new Lock(broker, 'l').acquire()
    const message = await new Consumer(broker, 't').receive()
    const waits = [
      new Consumer(broker, 't').receive(),
      new Consumer(broker, 't').receive({ timeout: 60_000 }),
      new Consumer(broker, 'none').receive(),
      new Consumer(broker, 't').run(() => {}),
      new Consumer(broker, 'none').run(() => {}),
      readAll(new Consumer(broker, 't')),
      readAll(new Reader(broker, 't', { live: true })),
      readAll(new Reader(broker, 'none', { live: true })),
      new Lock(broker, 'l').acquire(),
    ].map((wait) => expect(wait).rejects.toMatchObject(CLOSED))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(message.signal.aborted).toBe(false)
    await broker.close()
    await Promise.all(waits)
    expect(message.signal.aborted).toBe(true)
    expect(held.signal.aborted).toBe(true)
    expect(held.signal.reason).toMatchObject(CLOSED)
  })

  test('twice, or twice at once, is the same as once; close is emitted once', async () => {
    const broker = await openBroker({ directory: await temporaryDirectory() })
    const closes: unknown[] = []
    broker.on('close', (event) => closes.push(event))
    await Promise.all([broker.close(), broker.close()])
    await broker.close()
    expect(closes).toEqual([{ error: undefined }])
  })

  test('is what `await using` does at the end of its block', async () => {
    const directory = await temporaryDirectory()
    let outside: Broker
    {
      await using broker = await createBroker({ directory })
      await using producer = new Producer(broker)
      void producer.send('t', 1)
      outside = broker
    }
    expect(() => new Producer(outside)).not.toThrow()
    await expect(new Producer(outside).send('t', 2)).rejects.toMatchObject(CLOSED)
    const again = await openBroker({ directory })
    expect((await new Consumer(again, 't').receive()).value).toBe(1)
  })

  test('makes every use of it reject with CLOSED', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 't', 2)
    const producer = new Producer(broker)
    const consumer = new Consumer(broker, 't')
    const message = await consumer.receive()
    const admin = new Admin(broker)
    const lock = new Lock(broker, 'l')
    const held = await lock.acquire()
    await broker.close()
    const uses = [
      producer.send('t', 1),
      producer.send('new', 1),
      producer.sendBatch('t', [{ value: 1 }]),
      new Producer(broker).send('t', 1),
      consumer.receive(),
      new Consumer(broker, 't').receive({ timeout: 5 }),
      new Consumer(broker, 't').run(() => {}),
      readAll(new Reader(broker, 't')),
      readAll(new Reader(broker, 't', { live: true })),
      lock.acquire(),
      lock.tryAcquire(),
      new Lock(broker, 'm').acquire(),
      admin.listTopics(),
      admin.createTopic('x'),
      admin.describeTopic('t'),
      admin.deleteTopic('t'),
      admin.describeGroup('t', 'default'),
      admin.pauseGroup('t', 'default'),
      admin.seekGroup('t', 'default', { to: 0 }),
      admin.explain('t', 'default', { partition: 0, offset: 0 }),
      admin.describeCluster(),
    ]
    for (const use of await Promise.allSettled(uses))
      expect(use).toMatchObject({ status: 'rejected', reason: CLOSED })
    expect(() => new Consumer(broker, 't')[Symbol.asyncIterator]()).toThrow(expect.objectContaining(CLOSED))
    await expect(message.ack()).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED|LEASE_LOST/) })
    await held.release()
    await producer.flush()
    await producer.close()
    await consumer.drain()
    await consumer.close()
  })
})

describe('one directory', () => {
  test('is one broker at a time: a second one gets DIRECTORY_IN_USE, which names the holder', async () => {
    const directory = await temporaryDirectory()
    const broker = await createBroker({ directory })
    await expect(createBroker({ directory })).rejects.toMatchObject({
      code: 'DIRECTORY_IN_USE',
      message: expect.stringMatching(
        new RegExp(`${directory}.*${process.pid}|${process.pid}.*${directory}`, 's'),
      ),
    })
    await sendNumbers(broker, 't', 1)
    await broker.close()
    const next = await openBroker({ directory })
    expect((await new Consumer(next, 't').receive()).value).toBe(0)
  })

  test('held by another process is refused as well, and free once that has died', async () => {
    const directory = await temporaryDirectory()
    const child = startChild(program, directory, 'hold')
    await child.said('open')
    await expect(createBroker({ directory })).rejects.toMatchObject({
      code: 'DIRECTORY_IN_USE',
      message: expect.stringMatching(/\d+/),
    })
    child.kill()
    await child.ended
    await openBroker({ directory })
  })

  test.each([
    {},
    { directory: '' },
    { directory: 7 },
    { directory: 'x', synchronous: 'off' },
    { directory: 'x', dir: 1 },
    { directory: ':memory:', logger: 5 },
    { directory: ':memory:', logger: { info() {} } },
    { directory: ':memory:', runtime: null },
    { directory: ':memory:', runtime: {} },
  ])('is needed: %j is refused with INVALID_ARGUMENT', async (options) => {
    await expect(createBroker(options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('closing a consumer', () => {
  test('waits for handlers, whose acks count; loops and runs end, waiting receives reject', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 10))
    const consumer = new Consumer<number>(broker, 't')
    let finished = 0
    const running = consumer.run(
      async () => {
        await new Promise<void>((resolve) => runtime.timers.setTimeout(resolve, 5_000))
        finished++
      },
      { concurrency: 3 },
    )
    const idle = new Consumer<number>(broker, 'other')
    const receiving = expect(idle.receive()).rejects.toMatchObject(CLOSED)
    await runtime.advance(100)
    await runtime.runUntil(Promise.all([consumer.close(), idle.close()]))
    await runtime.runUntil(running)
    await receiving
    expect(finished).toBe(3)
    expect(runtime.clock.monotonic()).toBeLessThan(5_200)
    const [partition] = (await runtime.runUntil(new Admin(broker).describeGroup('t', 'default'))).partitions
    expect(partition).toMatchObject({ acked: 3, inFlight: 0, lag: 7, retrying: 0 })
    await runtime.runUntil(consumer.close())
    await expect(runtime.runUntil(consumer.receive())).rejects.toMatchObject(CLOSED)
    await expect(runtime.runUntil(consumer.run(() => {}))).rejects.toMatchObject(CLOSED)
    const rest = await runtime.runUntil(receiveMany(new Consumer<number>(broker, 't'), 7))
    expect(rest.map(({ deliveryCount }) => deliveryCount)).toEqual(Array(7).fill(1))
  })

  test('after draining it: everything that it holds is settled first', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 100))
    const consumer = new Consumer<number>(broker, 't', { prefetch: 20 })
    let handled = 0
    const running = consumer.run(async () => {
      await new Promise<void>((resolve) => runtime.timers.setTimeout(resolve, 10))
      handled++
    })
    await runtime.runUntil(() => handled === 5)
    await runtime.runUntil(consumer.drain())
    await runtime.runUntil(running)
    const [partition] = (await runtime.runUntil(new Admin(broker).describeGroup('t', 'default'))).partitions
    expect(partition).toMatchObject({ acked: handled, inFlight: 0 })
    expect(handled).toBeGreaterThanOrEqual(20)
    expect(handled).toBeLessThan(100)
    await runtime.runUntil(consumer.close())
  })
})

test('closing a producer stores what was sent before, and refuses what comes after', async () => {
  const broker = await openBroker()
  const producer = new Producer(broker)
  const sent = numbers(500).map((at) => producer.send('t', at))
  const closing = producer.close()
  await expect(producer.send('t', 1)).rejects.toMatchObject(CLOSED)
  await closing
  expect((await Promise.all(sent)).map(({ offset }) => offset)).toEqual(numbers(500))
  await producer.close()
})

test('consumers that make a group together while a served broker closes hear that it closes, whenever that is', async () => {
  for (let turns = 0; turns < 40; turns += 2) {
    const broker = await openBroker({ transport: http({ port: 0 }) })
    await new Admin(broker).createTopic('t')
    const request = {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"create":true}',
    }
    const join = () => fetch(`${broker.url}/topics/t/groups/g`, request)
    const joining = Promise.allSettled([join(), join(), join(), join()])
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    await broker.close()
    for (const result of await joining)
      if (result.status === 'fulfilled') expect([200, 503]).toContain(result.value.status)
  }
})
