import { beforeEach, describe, expect, test } from 'vitest'
import { Admin, type Broker, Consumer, Lock, Producer, Reader } from '../../src/index.js'
import { openBroker, sendNumbers } from './support/broker.js'

let broker: Broker
let controller: AbortController
let signal: AbortSignal
const reason = new Error('enough')
beforeEach(async () => {
  broker = await openBroker({ directory: ':memory:' })
  controller = new AbortController()
  signal = controller.signal
  await new Admin(broker).createTopic('t')
})

const ABORTED = { code: 'ABORTED', name: 'AbortError', cause: reason }

/** Lets what was begun go to sleep, then aborts. */
async function abortLater(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(reason)
}

async function readAll(reader: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _ of reader) count++
  return count
}

describe('an AbortSignal that aborts', () => {
  test('ends a receive, and the consumer goes on', async () => {
    const consumer = new Consumer(broker, 't')
    const receiving = expect(consumer.receive({ signal })).rejects.toMatchObject(ABORTED)
    await abortLater()
    await receiving
    await sendNumbers(broker, 't', 1)
    expect(await consumer.receive()).toMatchObject({ value: 0, deliveryCount: 1 })
  })

  test('may end many calls at once, and Node warns of none', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    await new Admin(broker).createTopic('wide', { partitions: 24 })
    const consumer = new Consumer(broker, 't')
    const many = Array.from({ length: 24 }, () => [
      consumer.receive({ signal }),
      readAll(new Reader(broker, 'wide', { live: true, signal })),
      new Lock(broker, 'one').acquire({ signal }),
    ]).flat()
    const outcomes = Promise.allSettled(many)
    await abortLater()
    const refused = (await outcomes).filter(({ status }) => status === 'rejected')
    process.off('warning', onWarning)
    // One of them has the lock.
    expect(refused).toHaveLength(many.length - 1)
    expect(warnings).toEqual([])
  })

  test('ends a receive with a timeout, and one of a topic that does not exist', async () => {
    const both = [
      expect(new Consumer(broker, 't').receive({ signal, timeout: 60_000 })).rejects.toMatchObject(ABORTED),
      expect(new Consumer(broker, 'none').receive({ signal })).rejects.toMatchObject(ABORTED),
    ]
    await abortLater()
    await Promise.all(both)
  })

  test('is not needed where the consumer closes: a receive from a topic that does not exist rejects CLOSED', async () => {
    const consumer = new Consumer(broker, 'none')
    const receiving = expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' })
    await abortLater()
    await consumer.close()
    await receiving
  })

  test('ends a receive while its message is on the way, which is given back uncounted [invariant 22]', async () => {
    const consumer = new Consumer<number>(broker, 't')
    for (let time = 0; time < 50; time++) {
      const one = new AbortController()
      const receiving = consumer.receive({ signal: one.signal }).catch(() => undefined)
      const sending = sendNumbers(broker, 't', time + 1, time)
      for (let turn = 0; turn < time % 7; turn++) await undefined
      if (time % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      one.abort(reason)
      const message = (await receiving) ?? (await consumer.receive())
      expect(message).toMatchObject({ value: time, deliveryCount: 1 })
      await Promise.all([sending, message.ack()])
    }
  })

  test("of the consumer's options ends its receives, and its loops and runs as close does", async () => {
    const consumer = new Consumer(broker, 't', { signal })
    const run = consumer.run(() => {})
    const loop = readAll(consumer)
    const receiving = expect(consumer.receive()).rejects.toMatchObject(ABORTED)
    await abortLater()
    await receiving
    await run
    expect(await loop).toBe(0)
    await expect(consumer.receive()).rejects.toMatchObject(ABORTED)
    await consumer.close()
  })

  test('of run ends that run once its handlers have finished, and the consumer stays open', async () => {
    await sendNumbers(broker, 't', 3)
    const consumer = new Consumer<number>(broker, 't')
    let finished = 0
    let proceed = () => {}
    const entered = new Promise<void>((resolve) => {
      void consumer
        .run(
          async () => {
            await new Promise<void>((go) => {
              proceed = go
              resolve()
            })
            finished++
          },
          { signal },
        )
        .then(() => ended())
    })
    let over = false
    const ended = () => {
      over = true
    }
    await entered
    await abortLater()
    expect(over).toBe(false)
    proceed()
    await expect.poll(() => over).toBe(true)
    expect(finished).toBe(1)
    expect(await consumer.receive()).toMatchObject({ value: 1, deliveryCount: 1 })
  })

  test('ends a reader that waits', async () => {
    for (const topic of ['t', 'none']) {
      controller = new AbortController()
      const reading = readAll(new Reader(broker, topic, { live: true, signal: controller.signal }))
      const ended = expect(reading).rejects.toMatchObject(ABORTED)
      await abortLater()
      await ended
    }
  })

  test('ends a wait for a lock, and the next in line gets it', async () => {
    const held = await new Lock(broker, 'l').acquire()
    const waiting = expect(new Lock(broker, 'l').acquire({ signal })).rejects.toMatchObject(ABORTED)
    const next = new Lock(broker, 'l').acquire()
    await abortLater()
    await waiting
    await held.release()
    expect((await next).token).toBeGreaterThan(held.token)
  })

  test('ends a send that waits for room, which is not stored then', async () => {
    const producer = new Producer(broker, { bufferBytes: 1_024 })
    const first = producer.send('t', 'x'.repeat(1_000))
    const second = producer.send('t', 'y'.repeat(1_000), { signal })
    controller.abort(reason)
    await expect(second).rejects.toMatchObject({ ...ABORTED, message: expect.stringContaining('not sent') })
    await first
    await producer.close()
    expect(await readAll(new Reader(broker, 't'))).toBe(1)
  })

  test('ends a send that is on its way, and says that it may be stored', async () => {
    const producer = new Producer(broker)
    await producer.send('t', 0)
    const sending = producer.send('t', 1, { signal })
    controller.abort(reason)
    await expect(sending).rejects.toMatchObject({ ...ABORTED, message: expect.stringContaining('may') })
    await producer.close()
  })

  test('too late changes nothing', async () => {
    await sendNumbers(broker, 't', 1)
    const message = await new Consumer(broker, 't').receive({ signal })
    const sent = await new Producer(broker).send('t', 1, { signal })
    const held = await new Lock(broker, 'l').acquire({ signal })
    controller.abort(reason)
    await message.ack()
    expect(sent.offset).toBe(1)
    expect(held.signal.aborted).toBe(false)
    await held.release()
  })
})

test('an AbortSignal that has aborted before refuses everything at once, and nothing happens', async () => {
  controller.abort(reason)
  const consumer = new Consumer(broker, 't')
  await expect(consumer.receive({ signal })).rejects.toMatchObject(ABORTED)
  await expect(new Consumer(broker, 't', { signal }).receive()).rejects.toMatchObject(ABORTED)
  await expect(new Producer(broker).send('new', 1, { signal })).rejects.toMatchObject(ABORTED)
  await expect(readAll(new Reader(broker, 't', { signal }))).rejects.toMatchObject(ABORTED)
  await expect(new Lock(broker, 'l').acquire({ signal })).rejects.toMatchObject(ABORTED)
  await consumer.run(() => expect.unreachable(), { signal })
  expect(await new Admin(broker).listTopics()).toMatchObject([{ name: 't' }])
  expect(await new Lock(broker, 'l').tryAcquire()).not.toBeNull()
})
