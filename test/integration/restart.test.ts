import { beforeAll, describe, expect, test } from 'vitest'
import { Admin, type Broker, Consumer, createBroker, Lock, Producer, Reader } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import {
  LogBook,
  numbers,
  openBroker,
  receiveMany,
  sendNumbers,
  temporaryDirectory,
} from './support/broker.js'
import { startChild } from './support/child.js'

let program: string
beforeAll(async () => {
  program = await bundleProgram('test/integration/restart/child.ts', 'restart-child')
})

interface Known {
  readonly places: readonly [number, number][]
  readonly token: number
  readonly epoch: number
  readonly id: string
}

describe.each(['close', 'kill'])('what was acknowledged before the process ended (%s)', (end) => {
  test('is there when the broker opens again [invariants 1, 12, 17, 19, 24]', {
    timeout: 30_000,
  }, async () => {
    const directory = await temporaryDirectory()
    const child = startChild(program, directory, end)
    const known = JSON.parse((await child.said('known')).slice('known'.length)) as Known
    if (end === 'kill') child.kill()
    // Nothing keeps it alive once it has closed, messages in hand and a held lock included.
    expect(await child.ended).toBe(end === 'kill' ? 'SIGKILL' : 0)
    const broker = await openBroker({ directory })
    expect(broker.id).toBe(known.id)
    await checkTopics(broker, known)
    await checkMessages(broker, known)
    await checkGroups(broker)
    await checkLeft(broker)
    const lock = await new Lock(broker, 'l').acquire()
    expect(lock.token).toBeGreaterThan(known.token)
    await lock.release()
  })
})

async function checkTopics(broker: Broker, known: Known): Promise<void> {
  const admin = new Admin(broker)
  expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['graves', 'one', 'one.dead', 'wide'])
  const wide = await admin.describeTopic('wide')
  expect(wide.config).toMatchObject({
    partitions: 4,
    retention: { after: 7_200_000, bytes: 10 ** 9 },
    maxMessageBytes: 5_000,
    dedupe: { window: 3_600_000, ids: 1_000_000 },
  })
  expect((await admin.describeTopic('one')).partitions[0]).toMatchObject({
    epoch: known.epoch + 1,
    nextOffset: 100,
    messages: 100,
  })
}

async function checkMessages(broker: Broker, known: Known): Promise<void> {
  let count = 0
  for await (const { value, partition, offset, key } of new Reader<{ at: number }>(broker, 'wide')) {
    expect([partition, offset]).toEqual(known.places[value.at])
    expect(key).toBe(`k${value.at}`)
    count++
  }
  expect(count).toBe(300)
  const producer = new Producer(broker)
  for (const at of [0, 150, 299]) {
    const [partition, offset] = known.places[at]!
    const again = await producer.send('wide', 'again', { key: `k${at}`, id: `id-${at}` })
    expect(again).toMatchObject({ partition, offset, duplicate: true })
  }
  const fresh = await producer.send('wide', 'new', { partition: 0, id: 'new' })
  const last = Math.max(...known.places.filter(([partition]) => partition === 0).map(([, offset]) => offset))
  expect(fresh).toMatchObject({ duplicate: false, offset: last + 1 })
  await producer.close()
}

async function checkGroups(broker: Broker): Promise<void> {
  const admin = new Admin(broker)
  const group = await admin.describeGroup('one', 'g')
  expect(group.settings).toMatchObject({
    maxDeliveries: 3,
    deadLetter: 'graves',
    backoff: { initial: 3_600_000 },
  })
  expect(group.partitions[0]).toMatchObject({
    acked: 50,
    deadLettered: 10,
    retrying: 10,
    inFlight: 0,
    floor: 50,
  })
  await expect(new Consumer(broker, 'one', { group: 'g', maxDeliveries: 4 }).receive()).rejects.toMatchObject(
    {
      code: 'GROUP_CONFLICT',
    },
  )
  expect(await admin.describeGroup('one', 'paused')).toMatchObject({ paused: true, partitions: [{ lag: 0 }] })
  const graves = await receiveMany(new Consumer<number>(broker, 'graves'), 10)
  expect(graves.map(({ value }) => value)).toEqual(numbers(70).slice(60))
  expect(graves[3]!.headers).toMatchObject({
    at: '63',
    'portal-mq-topic': 'one',
    'portal-mq-offset': '63',
    'portal-mq-group': 'g',
    'portal-mq-reason': 'bad 63',
  })
}

/** What was neither acked nor rejected comes: those that were held at once, without waiting for their leases. */
async function checkLeft(broker: Broker): Promise<void> {
  const consumer = new Consumer<number>(broker, 'one', { group: 'g' })
  const got: number[] = []
  for (;;) {
    const message = await consumer.receive({ timeout: got.length < 30 ? 5_000 : 100 })
    if (message === null) break
    got.push(message.value)
    await message.ack()
  }
  expect(got.sort((a, b) => a - b)).toEqual(numbers(100).slice(70))
  const reason = await new Admin(broker).explain('one', 'g', { partition: 0, offset: 55 })
  expect(reason).toMatchObject({ state: 'waiting' })
  expect(reason.reason).toContain('later')
}

describe('opening again', () => {
  test('raises the epoch every time, and tells of each partition [invariant 1]', async () => {
    const directory = await temporaryDirectory()
    const epochs: number[] = []
    for (let time = 0; time < 4; time++) {
      const broker = await createBroker({ directory })
      await sendNumbers(broker, 't', time + 1, time)
      epochs.push((await new Admin(broker).describeTopic('t')).partitions[0]!.epoch)
      await broker.close()
    }
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
    expect(new Set(epochs).size).toBe(4)
  })

  test('ends the leases of consumers in this process at once; a message in hand alone has failed once [invariant 22]', async () => {
    const directory = await temporaryDirectory()
    const before = await createBroker({ directory, logger: new LogBook() })
    await sendNumbers(before, 't', 1)
    const consumer = new Consumer<number>(before, 't', { lease: 86_400_000, backoff: { initial: 0, max: 0 } })
    const held = await consumer.receive()
    await before.close()
    await expect(held.ack()).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED|LEASE_LOST/) })
    const broker = await openBroker({ directory })
    expect(await new Consumer(broker, 't').receive({ timeout: 5_000 })).toMatchObject({
      value: 0,
      deliveryCount: 2,
    })
  })

  test('goes on with offsets where it was, after many small sessions, and keeps what was acked', async () => {
    const directory = await temporaryDirectory()
    for (let time = 0; time < 5; time++) {
      const broker = await createBroker({ directory })
      await sendNumbers(broker, 't', (time + 1) * 100, time * 100)
      const consumer = new Consumer<number>(broker, 't')
      const messages = await receiveMany(consumer, 60)
      expect(messages.map(({ value }) => value)).toEqual(numbers(60).map((at) => time * 60 + at))
      await Promise.all(messages.map((message) => message.ack()))
      await consumer.close()
      await broker.close()
    }
    const broker = await openBroker({ directory })
    expect((await new Admin(broker).describeGroup('t', 'default')).partitions[0]).toMatchObject({
      floor: 300,
      lag: 200,
      acked: 300,
    })
  })
})
