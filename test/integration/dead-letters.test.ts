import { beforeAll, describe, expect, test } from 'vitest'
import { Admin, Consumer, createBroker, Producer, Reader } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import {
  numbers,
  openBroker,
  openVirtualBroker,
  receiveMany,
  sendNumbers,
  temporaryDirectory,
  untilClosed,
} from './support/broker.js'
import { startChild } from './support/child.js'

let program: string
beforeAll(async () => {
  program = await bundleProgram('test/integration/poison/child.ts', 'poison-child')
})

/** A folder whose topic `t` holds these. */
async function folderWith(values: readonly unknown[]): Promise<string> {
  const directory = await temporaryDirectory()
  const broker = await createBroker({ directory })
  await new Producer(broker).sendBatch(
    't',
    values.map((value) => ({ value })),
  )
  await broker.close()
  return directory
}

describe('a message that kills its process', () => {
  test('is counted each time when it was received alone, and reaches the dead letters [invariant 22]', async () => {
    const directory = await folderWith(['poison', 'last'])
    const counts: string[] = []
    let deaths = 0
    for (; deaths < 10; deaths++) {
      const child = startChild(program, directory, 'receive')
      const end = await child.ended
      counts.push(...child.lines)
      if (end === 0) break
      expect(end).toBe('SIGKILL')
    }
    expect(deaths).toBe(3)
    expect(counts).toEqual(['got poison 1', 'got poison 2', 'got poison 3', 'got last 1'])
    const broker = await openBroker({ directory })
    const dead = await new Consumer(broker, 't.dead').receive()
    expect(dead).toMatchObject({
      value: 'poison',
      headers: { 'portal-mq-topic': 't', 'portal-mq-offset': '0', 'portal-mq-deliveries': '3' },
    })
  })

  test('amid a prefetched buffer takes no neighbour along [invariant 22]', async () => {
    const values = numbers(40).map((at) => (at === 13 ? 'poison' : at))
    const directory = await folderWith(values)
    let deaths = 0
    for (; deaths < 10; deaths++) if ((await startChild(program, directory, 'run').ended) === 0) break
    // Once in company, of which nobody knows who it was, and then alone.
    expect(deaths).toBeLessThanOrEqual(4)
    expect(deaths).toBeGreaterThanOrEqual(3)
    const broker = await openBroker({ directory })
    const [partition] = (await new Admin(broker).describeGroup('t', 'default')).partitions
    expect(partition).toMatchObject({ acked: 39, deadLettered: 1, lag: 0, discarded: 0 })
    const graves = []
    for await (const { value } of new Reader(broker, 't.dead')) graves.push(value)
    expect(graves).toEqual(['poison'])
  })
})

test('killed at any moment while messages die, each is in the dead letters exactly once [invariant 23]', {
  timeout: 60_000,
}, async () => {
  const directory = await folderWith(numbers(1_500))
  let rejected = 0
  for (let round = 0; round < 12; round++) {
    const child = startChild(program, directory, 'reject')
    // The time of the kill is the test's subject: after so many have been rejected.
    await child.said('rejected')
    const goal = child.lines.length + 1 + round * 8
    await expect
      .poll(() => child.lines.length, { interval: 1, timeout: 10_000 })
      .toBeGreaterThanOrEqual(Math.min(goal, 60))
    child.kill()
    await child.ended
    rejected += child.lines.length
  }
  const broker = await openBroker({ directory })
  const admin = new Admin(broker)
  const consumer = new Consumer<number>(broker, 't', { maxDeliveries: 3 })
  void untilClosed(consumer.run((message) => message.reject('rest'), { concurrency: 100 }))
  const state = async () => (await admin.describeGroup('t', 'default')).partitions[0]!
  await expect.poll(async () => (await state()).deadLettered, { timeout: 30_000, interval: 20 }).toBe(1_500)
  expect(await state()).toMatchObject({ lag: 0, dying: 0, acked: 0 })
  expect(rejected).toBeGreaterThan(12)
  const graves: number[] = []
  for await (const { value } of new Reader<number>(broker, 't.dead')) graves.push(value)
  expect(new Set(graves).size).toBe(graves.length)
  expect(graves.sort((a, b) => a - b)).toEqual(numbers(1_500))
})

describe('a message that fails for the last time', () => {
  test('goes to the dead letters with its key, headers, value, and where it came from and why', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const producer = new Producer(broker)
    const options = {
      key: 'k',
      headers: { tenant: 'a', 'portal-mq-reason': 'mine' },
      id: 'x',
      timestamp: 5_000,
    }
    await runtime.runUntil(producer.send('t', { bad: true }, options))
    let handled = 0
    void untilClosed(
      new Consumer(broker, 't', { group: 'g', maxDeliveries: 4 }).run(({ deliveryCount }) => {
        expect(deliveryCount).toBe(++handled)
        throw new Error(`failure ${handled}`)
      }),
    )
    const dead = await runtime.runUntil(new Consumer(broker, 't.dead').receive())
    expect(handled).toBe(4)
    expect(dead).toMatchObject({
      value: { bad: true },
      key: 'k',
      timestamp: 5_000,
      deliveryCount: 1,
      headers: {
        tenant: 'a',
        'portal-mq-topic': 't',
        'portal-mq-partition': '0',
        'portal-mq-offset': '0',
        'portal-mq-group': 'g',
        'portal-mq-deliveries': '4',
        'portal-mq-reason': 'failure 4',
      },
    })
    await runtime.advance(600_000)
    expect(handled).toBe(4)
  })

  test('of two groups dies for each by itself', async () => {
    const { broker, runtime } = await openVirtualBroker()
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    for (const group of ['a', 'b']) {
      const message = await runtime.runUntil(new Consumer(broker, 't', { group }).receive())
      await runtime.runUntil(message.reject())
    }
    const graves = await runtime.runUntil(receiveMany(new Consumer(broker, 't.dead'), 2))
    expect(graves.map(({ headers }) => headers['portal-mq-group'])).toEqual(['a', 'b'])
  })

  test('is discarded, counted and emitted where deadLetter is false', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const discarded: unknown[] = []
    broker.on('discarded', (event) => discarded.push(event))
    await runtime.runUntil(sendNumbers(broker, 't', 3))
    const consumer = new Consumer(broker, 't', { deadLetter: false, maxDeliveries: 1 })
    const [one, two] = await runtime.runUntil(receiveMany(consumer, 3))
    await runtime.runUntil(one!.reject('no good'))
    await runtime.runUntil(two!.nack({ reason: 'failed' }))
    const event = { topic: 't', partition: 0, group: 'default' }
    expect(discarded).toEqual([
      { ...event, offset: 0, reason: 'no good' },
      { ...event, offset: 1, reason: 'failed' },
    ])
    const admin = new Admin(broker)
    expect((await runtime.runUntil(admin.describeGroup('t', 'default'))).partitions[0]).toMatchObject({
      discarded: 2,
      deadLettered: 0,
      lag: 1,
    })
    expect((await runtime.runUntil(admin.listTopics())).map(({ name }) => name)).toEqual(['t'])
  })
})
