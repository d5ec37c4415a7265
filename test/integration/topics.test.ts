import { describe, expect, test } from 'vitest'
import { Admin, Consumer, createBroker, Producer, Reader } from '../../src/index.js'
import { numbers, openBroker, receiveMany, sendNumbers, temporaryDirectory } from './support/broker.js'

describe('a topic', () => {
  test('is made with the defaults by the first send', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    await sendNumbers(broker, 'first', 1)
    const { config, partitions, name, createdAt } = await new Admin(broker).describeTopic('first')
    expect(name).toBe('first')
    expect(createdAt).toBeInstanceOf(Date)
    expect(config).toEqual({
      partitions: 1,
      replicas: 1,
      minInSync: 1,
      retention: { after: 3_600_000 },
      maxMessageBytes: 1_048_576,
      dedupe: { window: 600_000, ids: 1_000_000 },
    })
    expect(partitions).toMatchObject([
      { partition: 0, leader: { id: broker.id }, replicas: [broker.id], inSync: [broker.id], messages: 1 },
    ])
  })

  test('is made by nobody but the administrator where autoCreateTopics is false', async () => {
    const broker = await openBroker({ directory: ':memory:', autoCreateTopics: false })
    const producer = new Producer(broker)
    await expect(producer.send('t', 1)).rejects.toMatchObject({
      code: 'TOPIC_NOT_FOUND',
      message: expect.stringMatching(/\bt\b.*createTopic/s),
    })
    const waiting = new Consumer(broker, 't').receive()
    await new Admin(broker).createTopic('t')
    await producer.send('t', 2)
    expect((await waiting).value).toBe(2)
  })

  test('made, found, changed, grown and deleted by the administrator', async () => {
    const broker = await openBroker()
    const admin = new Admin(broker)
    const made = await admin.createTopic('t', { partitions: 2, retention: { age: 1_000_000 } })
    expect(made.partitions).toHaveLength(2)
    await expect(admin.createTopic('t')).rejects.toMatchObject({ code: 'TOPIC_EXISTS' })
    const changed = await admin.updateTopic('t', { maxMessageBytes: 5, dedupe: { ids: 7 } })
    expect(changed.config).toMatchObject({ maxMessageBytes: 5, dedupe: { window: 600_000, ids: 7 } })
    await expect(new Producer(broker).send('t', 'too large')).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    })
    expect((await admin.addPartitions('t', 5)).partitions.map(({ partition }) => partition)).toEqual(
      numbers(5),
    )
    await expect(admin.addPartitions('t', 4)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await admin.listTopics()).toEqual([{ name: 't', id: made.id, partitions: 5 }])
    await admin.deleteTopic('t')
    expect(await admin.listTopics()).toEqual([])
    for (const missing of [admin.deleteTopic('t'), admin.describeTopic('t'), admin.addPartitions('t', 9)])
      await expect(missing).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
  })

  test('that makes no sense is refused before anything happens', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const admin = new Admin(broker)
    const wrong = [
      { partitions: 0 },
      { partitions: 10_001 },
      { partitions: 1.5 },
      { replicas: 3 },
      { retention: { after: -1 } },
      { retention: { ago: 5 } },
      { maxMessageBytes: 0 },
      { dedupe: { ids: -1 } },
      { partition: 3 },
      { partitions: null },
      { partitions: Object.create(null) },
      { maxMessageBytes: null },
    ]
    for (const options of wrong)
      await expect(admin.createTopic('t', options as never), JSON.stringify(options)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
    for (const name of ['', 'a/b', 'ü', '.', '..', 'x'.repeat(250)])
      await expect(admin.createTopic(name), name).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await admin.listTopics()).toEqual([])
  })

  test('made again under its name shares nothing with the old one, which is gone from the disk [invariant 11]', async () => {
    const directory = await temporaryDirectory()
    const broker = await createBroker({ directory })
    const admin = new Admin(broker)
    const producer = new Producer(broker)
    for (let at = 0; at < 10; at++) await producer.send('t', `old ${at}`, { id: `id-${at}` })
    const consumer = new Consumer<string>(broker, 't', { maxDeliveries: 9 })
    const held = await receiveMany(consumer, 3)
    await held[0]!.ack()
    const { id } = await admin.describeTopic('t')
    const waiting = receiveMany(new Consumer<string>(broker, 't', { group: 'waiting', from: 'latest' }), 1)
    await admin.deleteTopic('t')
    await expect(held[1]!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await producer.send('t', 'new', { id: 'id-3' })).toMatchObject({ offset: 0, duplicate: false })
    expect((await admin.describeTopic('t')).id).not.toBe(id)
    const [message] = await receiveMany(new Consumer<string>(broker, 't', { maxDeliveries: 2 }), 1)
    expect(message).toMatchObject({ value: 'new', deliveryCount: 1 })
    await message!.ack()
    // The waiting consumer begins anew, too; `latest` is the new topic's end, where it has joined in time.
    await expect.poll(async () => (await admin.listGroups('t')).length).toBe(2)
    await producer.send('t', 'newer')
    expect((await waiting)[0]!.value).toMatch(/new/)
    await broker.close()
    const again = await openBroker({ directory })
    const values: string[] = []
    for await (const { value } of new Reader<string>(again, 't')) values.push(value)
    expect(values).toEqual(['new', 'newer'])
  })

  test('deleted while it is produced and consumed under load breaks nothing', async () => {
    const broker = await openBroker()
    const admin = new Admin(broker)
    const producer = new Producer(broker)
    const consumer = new Consumer<number>(broker, 't')
    let got = 0
    const consuming = consumer.run(() => void got++, { concurrency: 10 })
    for (let round = 0; round < 5; round++) {
      const sends = numbers(300).map((at) => producer.send('t', at))
      await sends[0]
      await admin.deleteTopic('t')
      const results = await Promise.allSettled(sends)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    }
    await producer.send('t', -1)
    const state = async () =>
      (await admin.describeGroup('t', 'default').catch(() => undefined))?.partitions[0]
    await expect.poll(state, { timeout: 10_000 }).toMatchObject({ lag: 0 })
    expect(got).toBeGreaterThan(0)
    await consumer.close()
    await consuming
  })
})

test('1,000 topics open fast, each with its messages', { timeout: 60_000 }, async () => {
  const directory = await temporaryDirectory()
  const before = await createBroker({ directory })
  const producer = new Producer(before)
  await Promise.all(numbers(1_000).map((at) => producer.send(`t${at}`, at)))
  await before.close()
  const started = performance.now()
  const broker = await openBroker({ directory })
  // It takes a fraction of a second; the bound is for a busy machine of two cores.
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(await new Admin(broker).listTopics()).toHaveLength(1_000)
  for (const at of [0, 500, 999]) expect((await new Consumer(broker, `t${at}`).receive()).value).toBe(at)
})
