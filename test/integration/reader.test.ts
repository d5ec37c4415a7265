import { beforeEach, describe, expect, test } from 'vitest'
import { Admin, type Broker, Consumer, Producer, Reader, type ReaderOptions } from '../../src/index.js'
import { numbers, openBroker, openVirtualBroker, receiveMany, sendNumbers } from './support/broker.js'

let broker: Broker
beforeEach(async () => {
  broker = await openBroker()
})

async function read(options: ReaderOptions = {}, topic = 't', from = broker): Promise<number[]> {
  const values: number[] = []
  for await (const { value } of new Reader<number>(from, topic, options)) values.push(value)
  return values
}

/** The first `count` values of an endless reading. */
async function readSome(reader: Reader<number>, count: number): Promise<number[]> {
  const values: number[] = []
  for await (const { value } of reader) {
    values.push(value)
    if (values.length === count) break
  }
  return values
}

describe('a reader', () => {
  test('begins at the earliest, the latest or an offset, and ends at the end of the log', async () => {
    await sendNumbers(broker, 't', 2_500)
    expect(await read()).toEqual(numbers(2_500))
    expect(await read({ from: 'earliest', partition: 0 })).toEqual(numbers(2_500))
    expect(await read({ from: 'latest' })).toEqual([])
    for (const from of [0, 1, 99, 100, 1_777, 2_499, 2_500]) {
      expect(await read({ from, partition: 0 })).toEqual(numbers(2_500).slice(from))
      expect(await read({ from })).toEqual(numbers(2_500).slice(from))
    }
  })

  test('begins at the first message stored at or after a Date', async () => {
    const { broker: virtual, runtime } = await openVirtualBroker()
    const start = runtime.clock.now()
    for (let minute = 0; minute < 5; minute++) {
      await runtime.runUntil(sendNumbers(virtual, 't', minute + 1, minute))
      await runtime.advance(60_000)
    }
    const since = (time: number) => runtime.runUntil(read({ from: new Date(time) }, 't', virtual))
    expect(await since(0)).toEqual(numbers(5))
    expect(await since(start + 90_000)).toEqual([2, 3, 4])
    expect(await since(start + 10_000_000)).toEqual([])
  })

  test('of several partitions reads all, each in order; or one', async () => {
    const producer = new Producer(broker)
    await new Admin(broker).createTopic('t', { partitions: 3 })
    for (const partition of [0, 1, 2])
      await producer.sendBatch(
        't',
        numbers(400).map((at) => ({ value: partition * 1_000 + at, partition })),
      )
    const all = await read()
    for (const partition of [0, 1, 2]) {
      const expected = numbers(400).map((at) => partition * 1_000 + at)
      expect(all.filter((value) => Math.floor(value / 1_000) === partition)).toEqual(expected)
      expect(await read({ partition })).toEqual(expected)
    }
    expect(all).toHaveLength(1_200)
    await expect(read({ partition: 3 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('that is live goes on with what comes, in every partition, from where it began', async () => {
    await new Admin(broker).createTopic('t', { partitions: 2 })
    const producer = new Producer(broker)
    await producer.send('t', 0, { partition: 0 })
    const all = readSome(new Reader(broker, 't', { live: true }), 4)
    const latest = new Reader<number>(broker, 't', { live: true, from: 'latest' })[Symbol.asyncIterator]()
    const first = latest.next()
    await new Promise((resolve) => setImmediate(resolve))
    await producer.send('t', 1, { partition: 1 })
    await producer.send('t', 2, { partition: 0 })
    await producer.send('t', 3, { partition: 1 })
    expect((await all).sort()).toEqual([0, 1, 2, 3])
    expect((await first).value).toMatchObject({ value: 1, offset: 0, partition: 1, topic: 't' })
    await latest.return()
  })

  test('that is live waits for a topic that does not exist; one that is not says TOPIC_NOT_FOUND', async () => {
    await expect(read()).rejects.toMatchObject({
      code: 'TOPIC_NOT_FOUND',
      message: expect.stringContaining('t'),
    })
    const reading = readSome(new Reader(broker, 't', { live: true }), 2)
    await sendNumbers(broker, 't', 2)
    expect(await reading).toEqual([0, 1])
  })

  test('sees messages from the moment that their send has resolved', async () => {
    const producer = new Producer(broker)
    for (let at = 0; at < 50; at++) {
      await producer.send('t', at)
      expect(await read({ from: at, partition: 0 })).toEqual([at])
    }
  })

  test('settles nothing and disturbs neither groups nor other readers; its loop can be run again', async () => {
    await sendNumbers(broker, 't', 300)
    const reader = new Reader<number>(broker, 't')
    const results = await Promise.all([readSome(reader, 100), readSome(reader, 300), read(), read()])
    expect(results.map((values) => values.length)).toEqual([100, 300, 300, 300])
    const group = await receiveMany(new Consumer<number>(broker, 't'), 3)
    expect(group.map(({ value }) => value)).toEqual([0, 1, 2])
  })

  test('above the end says OFFSET_OUT_OF_RANGE, and what makes no sense INVALID_ARGUMENT', async () => {
    await sendNumbers(broker, 't', 3)
    await expect(read({ from: 4 })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringMatching(/4.*t.*3/s),
    })
    for (const options of [
      { from: -1 },
      { from: 1.5 },
      { from: 'first' },
      { partition: -1 },
      { live: 1 },
      { form: 1 },
    ])
      expect(() => new Reader(broker, 't', options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
  })

  test('begins after what retention has removed, and an offset that is gone begins at the next that is there', async () => {
    const { broker: virtual, runtime } = await openVirtualBroker()
    const admin = new Admin(virtual)
    await runtime.runUntil(admin.createTopic('t', { retention: { age: 60_000 } }))
    await runtime.runUntil(sendNumbers(virtual, 't', 250))
    await runtime.advance(50_000)
    await runtime.runUntil(sendNumbers(virtual, 't', 300, 250))
    await runtime.advance(20_000)
    expect((await runtime.runUntil(admin.describeTopic('t'))).partitions[0]).toMatchObject({
      firstOffset: 250,
      nextOffset: 300,
      messages: 50,
    })
    for (const from of ['earliest', 0, 100, 250, new Date(0)] as const)
      expect(await runtime.runUntil(read({ from }, 't', virtual))).toEqual(numbers(300).slice(250))
  })

  test('reads far more than a read returns at a time, large messages among small ones', async () => {
    const producer = new Producer(broker)
    const lengths = numbers(60).map((at) => (at % 7 === 0 ? 900_000 : at))
    await Promise.all(lengths.map((length) => producer.send('big', 'x'.repeat(length))))
    const read: number[] = []
    for await (const { value } of new Reader<string>(broker, 'big')) read.push(value.length)
    expect(read).toEqual(lengths)
  })
})
