import { describe, expect, onTestFinished, test } from 'vitest'
import { Broker } from '../../src/broker/broker.js'
import { nodePersistence } from '../../src/broker/node-persistence.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import type { StoredEntry } from '../../src/core/entry.js'
import type { AcquireBody } from '../../src/core/entry-body.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { Admin, Consumer, type Message, Producer, Reader } from '../../src/index.js'
import { SERVICE } from '../../src/protocol/connection.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { inProcess } from '../../src/transport/in-process.js'
import { watch } from '../unit/client-support/fake-connection.js'
import { LogBook, sendNumbers } from './support/broker.js'

/** A broker in virtual time whose commits stand still from `hold` until `letGo`: they are written at once, and their results come late. */
async function openHeld() {
  const runtime = virtualRuntime()
  const memory = memoryStorage({ crc32: runtime.crc32 })
  let gate: Promise<void> | undefined
  let letGo = () => {}
  const written: StoredEntry[] = []
  const opening = Broker.open({
    storage: {
      ...memory,
      commit: async (...given) => {
        for (const write of given[0]) if (write.type === 'append') written.push(...write.entries)
        await memory.commit(...given)
        await gate
      },
    },
    openCoordination: (opened) => inProcessCoordination()({ persistence: nodePersistence(opened) }),
    local: inProcess(),
    runtime,
    logger: new LogBook(),
    autoCreateTopics: true,
    cacheBytes: 1 << 20,
  })
  const broker = await runtime.runUntil(opening)
  onTestFinished(() => runtime.runUntil(broker.close()))
  await runtime.runUntil(new Admin(broker).createTopic('t', { partitions: 1 }))
  return {
    broker,
    runtime,
    hold(): void {
      gate = new Promise((resolve) => {
        letGo = resolve
      })
    },
    letGo: () => letGo(),
    written,
  }
}

describe('while a commit is under way', () => {
  test('nothing rests on it: no success, no duplicate, no delivery, nothing that readers see [invariant 10]', async () => {
    const { broker, runtime, hold, letGo } = await openHeld()
    const consumer = new Consumer<string>(broker, 't', { group: 'g' })
    const received = watch(consumer.receive())
    await runtime.settle()
    const read = watch(
      new Reader<string>(broker, 't', { from: 'earliest', live: true })[Symbol.asyncIterator]().next(),
    )
    hold()
    const sends = [1, 2].map(() => watch(new Producer(broker).send('t', 'x', { id: 'order-7' })))
    await runtime.advance(1_000)
    const all = [received, read, ...sends]
    expect(all.map(({ settled }) => settled)).toEqual([false, false, false, false])
    letGo()
    await runtime.runUntil(Promise.all(all.map(({ promise }) => promise as Promise<unknown>)))
    expect(sends.map(({ value }) => value!.duplicate).sort()).toEqual([false, true])
    expect(received.value!.value).toBe('x')
  })

  test('a delivery waits for its lease to be written, and an ack for its own commit [invariant 10]', async () => {
    const { broker, runtime, hold, letGo } = await openHeld()
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    const consumer = new Consumer<number>(broker, 't', { group: 'g' })
    // It joins its group; the message is not there in no time.
    expect(await runtime.runUntil(consumer.receive({ timeout: 0 }))).toBeNull()
    await runtime.settle()
    hold()
    const received = watch(consumer.receive())
    await runtime.advance(1_000)
    expect(received.settled).toBe(false)
    letGo()
    const message = await runtime.runUntil(received.promise)
    hold()
    const acked = watch(message.ack())
    await runtime.advance(1_000)
    expect(acked.settled).toBe(false)
    letGo()
    await runtime.runUntil(acked.promise)
  })

  test('hundreds that are woken at once do not wait for one another: their leases are several entries', async () => {
    const { broker, runtime, written } = await openHeld()
    const consumers = Array.from({ length: 300 }, () => new Consumer<string>(broker, 't', { group: 'g' }))
    const received = Promise.all(consumers.map((consumer) => consumer.receive()))
    await runtime.advance(60_000)
    const { id: topicId } = await runtime.runUntil(new Admin(broker).describeTopic('t'))
    const batch = new RecordBatchBuilder(runtime.crc32, { maxRecords: 300 })
    for (let i = 0; i < 300; i++) batch.tryAppend({ contentType: 'text', value: String(i), timestamp: 0 })
    const batches = [{ topicId, partition: 0, records: batch.seal('producer', 0, 0) }]
    await runtime.runUntil(broker[SERVICE].produce({ acks: 'all', batches }))
    const messages = await runtime.runUntil(received)
    expect(new Set(messages.map(({ value }) => value)).size).toBe(300)
    const grants = written
      .filter(({ kind }) => kind === 'acquire')
      .map((entry) => (decodeBody(entry, runtime.crc32) as AcquireBody).grants.length)
    expect(grants.reduce((sum, count) => sum + count)).toBe(300)
    expect(Math.max(...grants)).toBeLessThanOrEqual(128)
  })
})

describe('the result of a commit that comes late', () => {
  test('of an ack does not bring back, or lose, what was settled before the lease was over [invariant 21]', async () => {
    const { broker, runtime, hold, letGo } = await openHeld()
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    const consumer = new Consumer<number>(broker, 't', { group: 'g', lease: 1_000 })
    const message = await runtime.runUntil(consumer.receive())
    hold()
    const acked = watch(message.ack())
    await runtime.advance(10_000)
    letGo()
    await runtime.runUntil(acked.promise)
    const again = consumer.receive({ timeout: 60_000 })
    expect(await runtime.runUntil(again)).toBeNull()
  })

  test('of a lease does not make it live again: who has the message since keeps it [invariants 18, 21]', async () => {
    const { broker, runtime, hold, letGo } = await openHeld()
    await runtime.runUntil(sendNumbers(broker, 't', 1))
    const join = (consumerId: string) =>
      new Consumer<number>(broker, 't', { group: 'g', lease: 1_000, consumerId })
    const late = join('late')
    const next = join('next')
    // It joins its group; the message is not there in no time.
    expect(await runtime.runUntil(late.receive({ timeout: 0 }))).toBeNull()
    await runtime.settle()
    hold()
    const first = watch(late.receive() as Promise<Message<number>>)
    await runtime.advance(100)
    expect(first.settled).toBe(false)
    const second = watch(next.receive() as Promise<Message<number>>)
    await runtime.advance(5_000)
    letGo()
    await runtime.runUntil(second.promise)
    // What the first was told when it was over changes nothing.
    const stale = watch(first.promise.then((message) => message.ack()))
    await runtime.runUntil(() => stale.settled)
    expect(stale.error).toMatchObject({ code: 'LEASE_LOST' })
    await runtime.runUntil(second.value!.ack())
    // The first one's lease has ended.
    expect(second.value!.deliveryCount).toBe(2)
  })

  test('of a lease that is given back for a consumer that has gone is no word of it: what it held is suspect [invariant 22]', async () => {
    const { broker, runtime, hold, letGo } = await openHeld()
    await runtime.runUntil(sendNumbers(broker, 't', 2))
    const service = broker[SERVICE]
    const { topicId, generation } = await runtime.runUntil(
      service.joinGroup({ topic: 't', group: 'g', settings: {}, create: true }),
    )
    const me = {
      topicId,
      group: 'g',
      generation,
      consumer: 'c',
      maxMessages: 1,
      maxBytes: 1 << 20,
      wait: 60_000,
    }
    const gone = new AbortController()
    hold()
    const given = watch(service.receive({ ...me, lease: 1_000 }, { signal: gone.signal }))
    const held = watch(service.receive({ ...me, lease: 5_000 }, {}))
    await runtime.settle()
    gone.abort()
    await runtime.advance(2_000)
    letGo()
    await runtime.runUntil(() => given.settled && held.settled)
    expect(held.value?.deliveries).toHaveLength(1)
    await runtime.advance(5_000)
    for (const offset of [0, 1]) {
      const explained = new Admin(broker).explain('t', 'g', { partition: 0, offset })
      expect(await runtime.runUntil(explained)).toMatchObject({ state: 'suspect' })
    }
  })
})
