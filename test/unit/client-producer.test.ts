import { describe, expect, it } from 'vitest'
import { Producer } from '../../src/client/producer/producer.js'
import { PortalError } from '../../src/core/errors.js'
import { partitionForKey } from '../../src/core/murmur2.js'
import { readBatchHeader } from '../../src/core/record-batch-header.js'
import { encodeUtf8 } from '../../src/core/utf8.js'
import { fakeConnection, type Watched, watch } from './client-support/fake-connection.js'
import { FakeLog } from './client-support/fake-log.js'

function setUp(options: ConstructorParameters<typeof Producer>[1] = {}) {
  const log = new FakeLog()
  const connection = fakeConnection(log.service)
  return { log, connection, runtime: connection.runtime, producer: new Producer(connection, options) }
}

const disconnected = () => new PortalError('DISCONNECTED', 'The line went dead.')
const never = () => new Promise<void>(() => {})

describe('sending', () => {
  it('goes on at once when another broker leads, and with pauses if that does not help', async () => {
    const { producer, runtime, log } = setUp()
    const at: number[] = []
    log.script.request = async () => {
      at.push(runtime.clock.monotonic())
      if (at.length < 4) throw new PortalError('NOT_LEADER', 'Another one leads it.')
    }
    await runtime.runUntil(producer.send('t', 'x'))
    expect(at).toHaveLength(4)
    const pauses = at.slice(1).map((time, before) => time - at[before]!)
    expect(pauses[0]).toBe(0)
    expect(pauses[1]).toBeGreaterThanOrEqual(100)
    expect(pauses[2]).toBeGreaterThanOrEqual(200)
  })

  it('a request that was long under way counts as a pause', async () => {
    const { producer, runtime, log } = setUp()
    const at: number[] = []
    log.script.request = async () => {
      at.push(runtime.clock.monotonic())
      if (at.length > 1) return
      await new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, 2_000))
      throw disconnected()
    }
    await runtime.runUntil(producer.send('t', 'x'))
    expect(at[1]! - at[0]!).toBe(2_000)
  })

  it('resolves to where the message is stored', async () => {
    const { producer, runtime } = setUp()
    const sent = await runtime.runUntil(producer.send('t', 'a', { timestamp: 7 }))
    expect(sent).toMatchObject({ topic: 't', partition: 0, offset: 0, timestamp: 7, duplicate: false })
  })

  it('puts all sends of a turn into one request', async () => {
    const { producer, runtime, log } = setUp()
    const sends = Array.from({ length: 250 }, (_, i) => producer.send('t', `${i}`))
    const sent = await runtime.runUntil(Promise.all(sends))
    expect(log.requests).toHaveLength(1)
    expect(log.requests[0]!.batches).toHaveLength(3)
    expect(sent.map(({ offset }) => offset)).toEqual(Array.from({ length: 250 }, (_, i) => i))
    expect(log.values()).toEqual(Array.from({ length: 250 }, (_, i) => `${i}`))
  })

  it('has at most maxInFlight requests under way, of 256 KiB each (invariant 28)', async () => {
    const { producer, runtime, log } = setUp({ maxInFlight: 2 })
    const gates: (() => void)[] = []
    log.script.request = () => new Promise((resolve) => gates.push(resolve))
    const sends = Array.from({ length: 100 }, () => producer.send('t', 'x'.repeat(10_000)))
    await runtime.settle()
    expect(log.requests).toHaveLength(2)
    for (const request of log.requests) {
      expect(request.batches.reduce((sum, { records }) => sum + records.length, 0)).toBeLessThan(257 * 1024)
    }
    gates.shift()!()
    await runtime.settle()
    expect(log.requests).toHaveLength(3)
    log.script.request = () => {}
    for (const gate of gates) gate()
    await runtime.runUntil(Promise.all(sends))
    expect(log.values()).toHaveLength(100)
  })

  it('encodes before it returns, also while the topic is looked for', async () => {
    const { producer, runtime, log } = setUp()
    const bytes = encodeUtf8('before')
    const object = { text: 'before' }
    const sends = [producer.send('t', bytes), producer.send('t', object)]
    bytes.fill(33)
    object.text = 'after'
    await runtime.runUntil(Promise.all(sends))
    expect(log.values()).toEqual(['before', '{"text":"before"}'])
  })

  it('yields to the event loop after some 500 resolved promises', async () => {
    const { producer, runtime } = setUp()
    let resolved = 0
    const perTurn: number[] = []
    for (let i = 0; i < 1_200; i++) void producer.send('t', 'x').then(() => resolved++)
    const look = () => {
      perTurn.push(resolved)
      if (resolved < 1_200) runtime.timers.defer(look)
    }
    look()
    await runtime.runUntil(() => resolved === 1_200)
    const most = Math.max(...perTurn.map((count, at) => count - (perTurn[at - 1] ?? 0)))
    expect(most).toBeLessThanOrEqual(600)
  })
})

describe('choosing a partition', () => {
  it('takes the one that is named, else that of the key, else that of the id', async () => {
    const { producer, runtime, log } = setUp()
    log.partitions = 7
    const [named, keyed, identified] = await runtime.runUntil(
      Promise.all([
        producer.send('t', 'a', { partition: 5, key: 'k' }),
        producer.send('t', 'b', { key: 'k', id: 'i' }),
        producer.send('t', 'c', { id: 'i' }),
      ]),
    )
    expect(named!.partition).toBe(5)
    expect(keyed!.partition).toBe(partitionForKey(encodeUtf8('k'), 7))
    expect(identified!.partition).toBe(partitionForKey(encodeUtf8('i'), 7))
  })

  it('goes on to another one only when a batch is complete', async () => {
    const { producer, runtime, log } = setUp()
    log.partitions = 4
    const sent = await runtime.runUntil(
      Promise.all(Array.from({ length: 300 }, () => producer.send('t', 'x'))),
    )
    const partitions = sent.map(({ partition }) => partition)
    expect(new Set(partitions.slice(0, 100)).size).toBe(1)
    expect(new Set(partitions).size).toBe(3)
  })

  it('refuses one that the topic does not have, and only that message', async () => {
    const { producer, runtime } = setUp()
    const bad = watch(producer.send('t', 'a', { partition: 3 }))
    await runtime.runUntil(producer.send('t', 'b'))
    expect(bad.error).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('trying again (invariants 14 to 16)', () => {
  it('repeats the very same bytes when the answer was lost, and stores once', async () => {
    const { producer, runtime, log } = setUp()
    log.script.answer = (_, number) => {
      if (number <= 3) throw disconnected()
    }
    const sent = await runtime.runUntil(producer.send('t', 'a'))
    expect(sent.offset).toBe(0)
    expect(log.requests).toHaveLength(4)
    for (const { batches } of log.requests)
      expect(batches[0]!.records).toEqual(log.requests[0]!.batches[0]!.records)
    expect(log.values()).toEqual(['a'])
  })

  it('waits longer from try to try, up to a second', async () => {
    const { producer, runtime, log } = setUp()
    const times: number[] = []
    log.script.request = () => {
      times.push(runtime.clock.monotonic())
      if (times.length < 10) throw disconnected()
    }
    await runtime.runUntil(producer.send('t', 'a'))
    const waits = times.slice(1).map((time, at) => time - times[at]!)
    expect(waits[0]).toBeGreaterThanOrEqual(50)
    expect(waits[0]).toBeLessThanOrEqual(100)
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000)
    expect(waits.at(-1)).toBeGreaterThanOrEqual(500)
  })

  it('keeps the order of a partition when a request in the middle fails', async () => {
    const { producer, runtime, log } = setUp()
    log.script.request = (_, number) => {
      if (number === 2) throw disconnected()
    }
    const sends: Promise<unknown>[] = []
    for (let i = 0; i < 6; i++) {
      sends.push(producer.send('t', `${i}`))
      await runtime.settle()
    }
    await runtime.runUntil(Promise.all(sends))
    expect(log.values()).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(new Set(log.epochs())).toEqual(new Set([0]))
  })

  it('stores a message once when a copy of its request overtakes and another comes late (invariant 14)', async () => {
    const { producer, runtime, log } = setUp()
    const elapsed = (milliseconds: number) =>
      new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, milliseconds))
    log.script.request = (_, number) => (number === 1 ? elapsed(50) : undefined)
    log.script.answer = (_, number) => (number === 2 ? elapsed(100) : undefined)
    const first = producer.send('t', 'first')
    await runtime.settle()
    const second = producer.send('t', 'second')
    await runtime.advance(60)
    // It was refused before the first had come; its copy is not.
    await runtime.runUntil(log.service.produce!(log.requests[1]!))
    expect(log.values()).toEqual(['first', 'second'])
    expect(await runtime.runUntil(Promise.all([first, second]))).toMatchObject([{ offset: 0 }, { offset: 1 }])
    expect(log.values()).toEqual(['first', 'second'])
  })

  it('stores a message once when a copy of its request was stored and what came before it gave up (invariant 14)', async () => {
    const { producer, runtime, log } = setUp({ deliveryTimeout: 5_000 })
    const elapsed = (milliseconds: number) =>
      new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, milliseconds))
    log.script.request = (_, number) => (number === 1 ? elapsed(50) : undefined)
    log.script.answer = (_, number) => (number === 1 ? never() : undefined)
    const lost = watch(producer.send('t', 'lost'))
    await runtime.advance(20)
    const behind = producer.send('t', 'behind')
    await runtime.advance(60)
    await runtime.runUntil(log.service.produce!(log.requests[1]!))
    expect(log.values()).toEqual(['lost', 'behind'])
    await runtime.advance(5_000)
    expect(lost.error).toMatchObject({ code: 'TIMEOUT' })
    expect(await runtime.runUntil(behind)).toMatchObject({ offset: 1 })
    expect(log.values()).toEqual(['lost', 'behind'])
  })

  it('goes on under a new epoch after a batch that was refused for good, and loses nothing behind it', async () => {
    const { producer, runtime, log } = setUp()
    log.script.batch = ({ records }) =>
      readBatchHeader(records).baseSequence === 100 && readBatchHeader(records).producerEpoch === 0
        ? new PortalError('CORRUPT', 'This batch was damaged on its way.')
        : undefined
    const sends = Array.from({ length: 300 }, (_, i) => watch(producer.send('t', `${i}`)))
    await runtime.runUntil(() => sends.every(({ settled }) => settled))
    expect(sends.filter(({ error }) => error?.code === 'CORRUPT')).toHaveLength(100)
    const expected = Array.from({ length: 300 }, (_, i) => `${i}`)
    expect(log.values()).toEqual([...expected.slice(0, 100), ...expected.slice(200)])
    expect(log.epochs().at(-1)).toBe(1)
  })

  it('rejects what stays undecided, says so, and sends what was refused behind it under a new epoch', async () => {
    const { producer, runtime, log } = setUp({ deliveryTimeout: 5_000 })
    log.script.request = (_, number) => (number === 1 ? never() : undefined)
    const lost = watch(producer.send('t', 'lost'))
    await runtime.advance(1_000)
    const behind = producer.send('t', 'behind')
    await runtime.advance(3_999)
    expect(lost.settled).toBe(false)
    await runtime.advance(1)
    expect(lost.error).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('undecided') })
    expect(await runtime.runUntil(behind)).toMatchObject({ offset: 0 })
    expect(log.values()).toEqual(['behind'])
    expect(log.epochs()).toEqual([1])
  })

  it('asks again where an answer does not say of every message where it is', async () => {
    const log = new FakeLog()
    let answers = 0
    const connection = fakeConnection({
      ...log.service,
      async produce(request) {
        const { results } = await log.service.produce!(request)
        if (++answers > 1) return { results }
        return {
          results: results.map((result) => (result.error ? result : { runs: result.runs.slice(0, 3) })),
        }
      },
    })
    const producer = new Producer(connection)
    const sends = Promise.all([producer.send('t', 'a'), producer.send('t', 'b')])
    expect(await connection.runtime.runUntil(sends)).toMatchObject([{ offset: 0 }, { offset: 1 }])
    expect(log.values()).toEqual(['a', 'b'])
  })

  it('says that a message is not stored when every try was refused', async () => {
    const { producer, runtime, log } = setUp({ deliveryTimeout: 2_000 })
    log.script.batch = () => new PortalError('STORAGE_FULL', 'No room.')
    const sent = watch(producer.send('t', 'a'))
    await runtime.advance(2_000)
    expect(sent.error).toMatchObject({ code: 'STORAGE_FULL', message: expect.stringContaining('not stored') })
    expect(sent.error!.cause).toMatchObject({ code: 'STORAGE_FULL' })
    log.script.batch = () => undefined
    await runtime.runUntil(producer.send('t', 'b'))
    expect(log.values()).toEqual(['b'])
  })

  it('says of nothing that it is undecided when a leader had no room to the end and then nobody led', async () => {
    const { producer, runtime, log } = setUp({ deliveryTimeout: 5_000 })
    let code: 'STORAGE_FULL' | 'NOT_LEADER' = 'STORAGE_FULL'
    log.script.batch = () => new PortalError(code, 'Not now.')
    const sends: Watched<unknown>[] = []
    for (let at = 0; at < 800; at++) {
      sends.push(watch(producer.send('t', `${at}`)))
      await runtime.advance(10)
      if (at === 600) code = 'NOT_LEADER'
    }
    log.script.batch = () => undefined
    await runtime.runUntil(() => sends.every(({ settled }) => settled))
    const refused = sends.flatMap(({ error }) => error ?? [])
    expect(refused.filter(({ message }) => !message.includes('They are not stored'))).toEqual([])
    const stored = sends.flatMap(({ error }, at) => (error ? [] : `${at}`))
    expect(log.values()).toEqual(stored)
    expect(stored.length).toBeGreaterThan(400)
  })

  it('begins anew where the broker has forgotten it', async () => {
    const { producer, runtime, log } = setUp()
    await runtime.runUntil(producer.send('t', 'a'))
    log.script.batch = ({ records }) =>
      readBatchHeader(records).producerEpoch === 0
        ? new PortalError('SEQUENCE_REFUSED', 'Unknown.')
        : undefined
    await runtime.runUntil(producer.send('t', 'b'))
    expect(log.values()).toEqual(['a', 'b'])
    expect(log.epochs()).toEqual([0, 1])
  })
})

describe('several leaders', () => {
  it('what one leader does not answer holds up nothing that others lead, however much there is of it', async () => {
    const log = new FakeLog()
    log.partitions = 3
    const leaders = ['dead', 'alive', 'alive']
    const connection = fakeConnection(log.service, undefined, (_, partition) => leaders[partition])
    const { runtime } = connection
    const producer = new Producer(connection, { maxInFlight: 2, deliveryTimeout: 60_000 })
    const hangUps: ((error: PortalError) => void)[] = []
    log.script.request = ({ batches }) => {
      if (leaders[0] === 'alive' || batches.every(({ partition }) => partition > 0)) return
      return new Promise((_, reject) => hangUps.push(reject))
    }
    const stuck: ReturnType<typeof watch>[] = []
    for (let round = 0; round < 20; round++) {
      stuck.push(watch(producer.send('t', `stuck ${round}`, { partition: 0 })))
      const others = [1, 2].map((partition) => producer.send('t', `${round}`, { partition }))
      await runtime.runUntil(Promise.all(others), 0)
    }
    expect(stuck.some(({ settled }) => settled)).toBe(false)
    const under = log.requests.filter(({ batches }) => batches.some(({ partition }) => partition === 0))
    expect(under).toHaveLength(2)
    expect(log.requests.filter(({ batches }) => batches.length === 2)).toHaveLength(20)
    // Another one leads: what has no answer is repeated there, in order.
    leaders[0] = 'alive'
    for (const hangUp of hangUps) hangUp(disconnected())
    await runtime.runUntil(Promise.all(stuck.map(({ promise }) => promise)))
    expect(log.values(0)).toEqual(stuck.map((_, round) => `stuck ${round}`))
  })
})

describe('topics that come and go', () => {
  it('asks for the route once for many sends', async () => {
    const { producer, runtime, log } = setUp()
    await runtime.runUntil(Promise.all([producer.send('t', 'a'), producer.send('t', 'b')]))
    await runtime.runUntil(producer.send('t', 'c'))
    expect(log.finds).toBe(1)
  })

  it('finds a topic that was deleted and made anew, and sends there what it held', async () => {
    const { producer, runtime, log } = setUp()
    await runtime.runUntil(producer.send('t', 'a'))
    log.topicId = 'id-2'
    log.partitions = 3
    log.stored.clear()
    const sent = await runtime.runUntil(Promise.all([producer.send('t', 'b'), producer.send('t', 'c')]))
    expect(sent.map(({ offset }) => offset)).toEqual([0, 1])
    expect(log.values()).toEqual(['b', 'c'])
  })

  it('stores what it sends to a topic to which it comes back, by a broker that has not heard of its successor (invariant 14)', async () => {
    const { producer, runtime, log } = setUp()
    await runtime.runUntil(producer.send('t', 'a'))
    const first = new Map(log.stored)
    // It is made anew twice in the eyes of the producer, and is the first one again: its log knows what was sent before.
    for (const topicId of ['id-2', 'id-3']) {
      log.topicId = topicId
      log.stored.clear()
      await runtime.runUntil(producer.send('t', 'b'))
    }
    log.topicId = 'id-1'
    log.stored.clear()
    for (const [partition, stored] of first) log.stored.set(partition, stored)
    expect(await runtime.runUntil(producer.send('t', 'c'))).toMatchObject({ offset: 1, duplicate: false })
    expect(log.values()).toEqual(['a', 'c'])
  })

  it('keeps the order of sends to a topic that is made anew while one of them is under way (invariant 26)', async () => {
    const { producer, runtime, log } = setUp()
    await runtime.runUntil(producer.send('t', 'a'))
    log.topicId = 'id-2'
    log.stored.clear()
    let answer = () => {}
    log.script.request = (_, number) =>
      number === 2 ? new Promise<void>((resolve) => (answer = resolve)) : undefined
    const sends = [producer.send('t', 'b')]
    await runtime.settle()
    sends.push(producer.send('t', 'c'))
    await runtime.runUntil(() => log.finds === 2)
    sends.push(producer.send('t', 'd'))
    await runtime.settle()
    answer()
    await runtime.runUntil(Promise.all(sends))
    expect(log.values()).toEqual(['b', 'c', 'd'])
    await runtime.runUntil(producer.send('t', 'e'))
  })

  it('goes on with a topic that was made anew once the one of before has answered, or did not in time', async () => {
    for (const isAnswered of [true, false]) {
      const { producer, runtime, log } = setUp({ deliveryTimeout: 5_000 })
      let answer = () => {}
      log.script.answer = (_, number) =>
        number === 1 ? new Promise<void>((resolve) => (answer = resolve)) : undefined
      const early = producer.send('t', 'early').catch((error: PortalError) => error.code)
      await runtime.advance(1_000)
      log.topicId = 'id-2'
      log.stored.clear()
      const late = producer.send('t', 'late')
      await runtime.runUntil(() => log.finds === 2)
      await runtime.settle()
      expect(log.values()).toEqual([])
      if (isAnswered) answer()
      await runtime.runUntil(late)
      expect(log.values()).toEqual(['late'])
      expect(await early).toEqual(isAnswered ? expect.objectContaining({ offset: 0 }) : 'TIMEOUT')
    }
  })

  it('rejects when the topic cannot be made', async () => {
    const { producer, runtime, log } = setUp()
    log.findError = () => new PortalError('TOPIC_NOT_FOUND', 'Topics are not made here.')
    await expect(runtime.runUntil(producer.send('t', 'a'))).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
  })

  it('looks for the route until the delivery timeout', async () => {
    const { producer, runtime, log } = setUp({ deliveryTimeout: 3_000 })
    log.findError = disconnected
    const sent = watch(producer.send('t', 'a'))
    await runtime.advance(2_999)
    expect(sent.settled).toBe(false)
    await runtime.advance(1)
    expect(sent.error).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('not stored') })
    await runtime.advance(5_000)
    expect(runtime.pendingTimers).toBe(0)
  })

  it('refuses a message above the topic’s limit alone, by a fresh route', async () => {
    const { producer, runtime, log } = setUp()
    log.maxMessageBytes = 1_000
    const large = watch(producer.send('t', 'x'.repeat(2_000)))
    await runtime.runUntil(producer.send('t', 'small'))
    expect(large.error).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    log.maxMessageBytes = 5_000
    await runtime.runUntil(producer.send('t', 'x'.repeat(2_000)))
  })
})

describe('a bounded buffer', () => {
  it('keeps sends pending beyond bufferBytes, and lets them in as room comes', async () => {
    const { producer, runtime, log } = setUp({ bufferBytes: 10_000 })
    const sends = Array.from({ length: 15 }, (_, i) => watch(producer.send('t', `${i}`.padEnd(1_000, '.'))))
    await runtime.runUntil(() => sends.every(({ settled }) => settled))
    expect(sends.every(({ value }) => value !== undefined)).toBe(true)
    expect(log.values().map((value) => Number.parseInt(value, 10))).toEqual(
      Array.from({ length: 15 }, (_, i) => i),
    )
    expect(log.requests.length).toBeGreaterThan(1)
  })

  it('keeps the delivery timeout for what comes in when others give up, and for what never does', async () => {
    const { producer, runtime, log } = setUp({ bufferBytes: 10_000, deliveryTimeout: 5_000 })
    log.findError = disconnected
    const sends: ReturnType<typeof watch>[] = []
    for (let at = 0; at < 15; at++) {
      sends.push(watch(producer.send('t', 'x'.repeat(1_000))))
      await runtime.advance(100)
    }
    await runtime.advance(5_000 - 1_500)
    expect(sends.map(({ settled }) => settled)).toEqual(sends.map((_, at) => at === 0))
    await runtime.advance(1_400)
    expect(sends.every(({ error }) => error?.code === 'TIMEOUT')).toBe(true)
    expect(runtime.pendingTimers).toBeLessThanOrEqual(1)
  })

  it('refuses those who never await once twice as much is waiting (invariant 28)', async () => {
    const { producer, runtime, log } = setUp({ bufferBytes: 10_000 })
    log.script.request = never
    const sends = Array.from({ length: 40 }, () => watch(producer.send('t', 'x'.repeat(1_000))))
    await runtime.settle()
    const refused = sends.filter(({ error }) => error?.code === 'QUOTA_EXCEEDED')
    expect(refused.length).toBeGreaterThanOrEqual(20)
    expect(refused.length).toBeLessThan(24)
  })
})

describe('aborting a send', () => {
  it('does not send a message that is not in a batch yet', async () => {
    const { producer, runtime, log } = setUp()
    log.findError = disconnected
    const controller = new AbortController()
    const sent = watch(producer.send('t', 'a', { signal: controller.signal }))
    await runtime.settle()
    controller.abort('enough')
    await runtime.settle()
    expect(sent.error).toMatchObject({ code: 'ABORTED', name: 'AbortError', cause: 'enough' })
    log.findError = undefined
    await runtime.runUntil(producer.send('t', 'b'))
    expect(log.values()).toEqual(['b'])
  })

  it('rejects at once with a signal that has aborted', async () => {
    const { producer } = setUp()
    await expect(producer.send('t', 'a', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })
})

describe('flushing and closing', () => {
  it('flush resolves after the promises of what was sent before', async () => {
    const { producer, runtime } = setUp()
    const sends = Array.from({ length: 1_500 }, () => watch(producer.send('t', 'x')))
    await runtime.runUntil(producer.flush())
    expect(sends.every(({ settled }) => settled)).toBe(true)
  })

  it('flush does not wait for what is sent after', async () => {
    const { producer, runtime, log } = setUp()
    log.script.request = (_, number) => (number > 1 ? never() : undefined)
    void producer.send('t', 'a')
    const flushed = producer.flush()
    await runtime.settle()
    void producer.send('t', 'b')
    await runtime.runUntil(flushed)
  })

  it('flush waits for nothing that was stored already behind what has no answer yet', async () => {
    const { producer, runtime, log } = setUp()
    let answer = () => {}
    log.script.answer = (_, number) =>
      number === 1 ? new Promise<void>((resolve) => (answer = resolve)) : undefined
    const first = watch(producer.send('t', 'a'))
    await runtime.settle()
    await runtime.runUntil(producer.send('t', 'b'))
    const flushed = watch(producer.flush())
    await runtime.settle()
    expect([first.settled, flushed.settled]).toEqual([false, false])
    answer()
    await runtime.settle()
    expect([first.settled, flushed.settled]).toEqual([true, true])
  })

  it('close sends everything, then refuses, and leaves no timer', async () => {
    const { producer, runtime, log } = setUp()
    const sent = watch(producer.send('t', 'a'))
    await runtime.runUntil(Promise.all([producer.close(), producer.close()]))
    expect(sent.value).toBeDefined()
    expect(log.values()).toEqual(['a'])
    await expect(producer.send('t', 'b')).rejects.toMatchObject({ code: 'CLOSED' })
    await runtime.settle()
    expect(runtime.pendingTimers).toBe(0)
  })

  it('rejects what is not under way when the broker closes', async () => {
    const { producer, runtime, log, connection } = setUp({ maxInFlight: 1 })
    let open = () => {}
    log.script.request = () => new Promise((resolve) => (open = resolve))
    const first = watch(producer.send('t', 'a'))
    await runtime.settle()
    const second = watch(producer.send('t', 'b'))
    connection.closeBroker()
    await runtime.settle()
    expect(second.error).toMatchObject({ code: 'CLOSED' })
    expect(first.settled).toBe(false)
    open()
    await runtime.settle()
    expect(first.value).toMatchObject({ offset: 0 })
    await expect(producer.send('t', 'c')).rejects.toMatchObject({ code: 'CLOSED' })
    await runtime.runUntil(producer.close())
    expect(runtime.pendingTimers).toBe(0)
  })
})

describe('arguments', () => {
  const cases: [string, (producer: Producer) => Promise<unknown>, string, RegExp][] = [
    ['a topic that cannot be', (p) => p.send('a/b', 1), 'INVALID_ARGUMENT', /topic name 'a\/b'/],
    ['undefined', (p) => p.send('t', undefined), 'INVALID_ARGUMENT', /undefined/],
    ['an unknown option', (p) => p.send('t', 1, { kye: 'k' } as never), 'INVALID_ARGUMENT', /'key'/],
    [
      'a header that is no string',
      (p) => p.send('t', 1, { headers: { a: 1 } } as never),
      'INVALID_ARGUMENT',
      /headers\.a/,
    ],
    ['a partition below 0', (p) => p.send('t', 1, { partition: -1 }), 'INVALID_ARGUMENT', /partition/],
    ['an empty id', (p) => p.send('t', 1, { id: '' }), 'INVALID_ARGUMENT', /id/],
    ['priority', (p) => p.send('t', 1, { priority: 3 } as never), 'UNSUPPORTED', /priority/],
    ['delay', (p) => p.send('t', 1, { delay: 3 } as never), 'UNSUPPORTED', /delay/],
    [
      'a bad message in a batch',
      (p) => p.sendBatch('t', [{ value: 1 }, { value: () => 1 }]),
      'INVALID_ARGUMENT',
      /function/,
    ],
  ]
  it.each(cases)('rejects %s before anything happens', async (_, send, code, message) => {
    const { producer, runtime, log } = setUp()
    await expect(send(producer)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    await runtime.settle()
    expect(log.finds).toBe(0)
  })

  it('throws for options that cannot be, naming the nearest that can', () => {
    const { connection } = setUp()
    expect(() => new Producer(connection, { deliverytimeout: 1 } as never)).toThrow(/'deliveryTimeout'/)
    expect(() => new Producer(connection, { acks: 'none' as never })).toThrow(/'all', 'leader'/)
    expect(() => new Producer(Promise.resolve(connection) as never)).toThrow(/await/)
  })
})

describe('sendBatch', () => {
  it('resolves to one result a message, in their order', async () => {
    const { producer, runtime, log } = setUp()
    const sent = await runtime.runUntil(producer.sendBatch('t', [{ value: 'a', key: 'k' }, { value: 'b' }]))
    expect(sent.map(({ offset }) => offset)).toEqual([0, 1])
    expect(log.values()).toEqual(['a', 'b'])
  })
})
