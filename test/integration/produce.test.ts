import { describe, expect, test } from 'vitest'
import { Admin, ERROR_CODES, isPortalError, PortalError, Producer, Reader } from '../../src/index.js'
import { numbers, openBroker, openVirtualBroker } from './support/broker.js'

describe('send', () => {
  test('gives offsets in the order of the calls, without gaps, whatever batches they went in [invariant 14]', async () => {
    const broker = await openBroker()
    const producer = new Producer(broker)
    const sends = numbers(5_000).map((at) => producer.send('t', at))
    expect((await Promise.all(sends)).map(({ offset }) => offset)).toEqual(numbers(5_000))
    const values: unknown[] = []
    for await (const { value } of new Reader(broker, 't')) values.push(value)
    expect(values).toEqual(numbers(5_000))
  })

  test('of many producers stores each message once', async () => {
    const broker = await openBroker()
    const producers = numbers(10).map(() => new Producer(broker))
    const sends = producers.flatMap((producer, one) =>
      numbers(200).map((at) => producer.send('t', one * 1_000 + at)),
    )
    const offsets = (await Promise.all(sends)).map(({ offset }) => offset)
    expect(offsets.sort((a, b) => a - b)).toEqual(numbers(2_000))
  })

  test('waits for room beyond bufferBytes, and refuses beyond twice that with QUOTA_EXCEEDED [invariant 28]', async () => {
    const broker = await openBroker()
    const producer = new Producer(broker, { bufferBytes: 10_000 })
    const results = await Promise.allSettled(numbers(100).map(() => producer.send('t', 'x'.repeat(1_000))))
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(70)
    for (const one of refused)
      expect(one).toMatchObject({ reason: { code: 'QUOTA_EXCEEDED', retriable: true } })
    // Whoever awaits is never refused.
    for (let at = 0; at < 50; at++) await producer.send('t', 'x'.repeat(9_000))
  })

  test('of a batch keeps its order, and of nothing resolves to nothing', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const producer = new Producer(broker)
    const sent = await producer.sendBatch(
      't',
      numbers(350).map((value) => ({ value, key: 'k' })),
    )
    expect(sent.map(({ offset }) => offset)).toEqual(numbers(350))
    expect(await producer.sendBatch('t', [])).toEqual([])
  })

  test('flush resolves when all that was sent before is stored', async () => {
    const broker = await openBroker()
    const producer = new Producer(broker)
    let stored = 0
    for (const at of numbers(1_000)) void producer.send('t', at).then(() => stored++)
    await producer.flush()
    expect(stored).toBe(1_000)
    await producer.flush()
  })
})

describe('an id', () => {
  test('is stored once: the second send gets the place of the first, from any producer, in one batch too', async () => {
    const broker = await openBroker()
    const [one, other] = [new Producer(broker), new Producer(broker)]
    expect(await one.send('t', 'a', { id: 'x' })).toMatchObject({ offset: 0, duplicate: false })
    expect(await other.send('t', 'b', { id: 'x' })).toMatchObject({ offset: 0, duplicate: true })
    const sent = await one.sendBatch('t', [
      { value: 1, id: 'y' },
      { value: 2 },
      { value: 3, id: 'y' },
      { value: 4, id: 'x' },
      { value: 5 },
    ])
    expect(sent.map(({ offset, duplicate }) => [offset, duplicate])).toEqual([
      [1, false],
      [2, false],
      [1, true],
      [0, true],
      [3, false],
    ])
    const values: unknown[] = []
    for await (const { value } of new Reader(broker, 't')) values.push(value)
    expect(values).toEqual(['a', 1, 2, 5])
  })

  test('is forgotten after the window of its topic, and where there are more than it remembers', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const admin = new Admin(broker)
    await runtime.runUntil(admin.createTopic('t', { dedupe: { window: 60_000, ids: 10 } }))
    const producer = new Producer(broker)
    const send = (id: string) => runtime.runUntil(producer.send('t', id, { id }))
    await send('x')
    await runtime.advance(59_000)
    expect((await send('x')).duplicate).toBe(true)
    await runtime.advance(2_000)
    expect((await send('x')).duplicate).toBe(false)
    for (const at of numbers(10)) await send(`other ${at}`)
    expect((await send('x')).duplicate).toBe(false)
  })
})

describe('errors', () => {
  test('have a code of the list, a message, retriable and a cause; isPortalError knows them without instanceof', () => {
    const cause = new Error('why')
    const error = new PortalError('STORAGE_FULL', 'Full.', { cause })
    expect(error).toMatchObject({
      code: 'STORAGE_FULL',
      message: 'Full.',
      retriable: true,
      cause,
      name: 'PortalError',
    })
    expect(isPortalError(error)).toBe(true)
    expect(isPortalError(error, 'CLOSED', 'STORAGE_FULL')).toBe(true)
    expect(isPortalError(error, 'CLOSED')).toBe(false)
    expect([null, undefined, 'x', cause, { code: 'CLOSED' }].map((one) => isPortalError(one))).not.toContain(
      true,
    )
    expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length)
    const named =
      'INVALID_ARGUMENT TOPIC_NOT_FOUND TOPIC_EXISTS GROUP_NOT_FOUND GROUP_CONFLICT MESSAGE_TOO_LARGE SCHEMA_INVALID LEASE_LOST NOT_LEADER NOT_ENOUGH_REPLICAS OFFSET_OUT_OF_RANGE TIMEOUT ABORTED CLOSED DISCONNECTED DIRECTORY_IN_USE UNAUTHENTICATED FORBIDDEN QUOTA_EXCEEDED STORAGE_FULL STORAGE_FAILED CORRUPT UNSUPPORTED'
    expect(ERROR_CODES).toEqual(expect.arrayContaining(named.split(' ')))
  })
})
