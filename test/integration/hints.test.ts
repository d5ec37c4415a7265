import { describe, expect, test } from 'vitest'
import { Admin, Producer } from '../../src/index.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import type { ReceiveRequest } from '../../src/protocol/service.js'
import { type Watched, watch } from '../unit/client-support/fake-connection.js'
import { openVirtualBroker } from './support/broker.js'

async function openGroup() {
  const { broker, runtime } = await openVirtualBroker()
  await runtime.runUntil(new Admin(broker).createTopic('t', { partitions: 1 }))
  const { service } = broker[CONNECTION]
  const joined = await runtime.runUntil(
    service.joinGroup({ topic: 't', group: 'g', settings: {}, create: true }),
  )
  const { topicId, generation } = joined
  const base = { topicId, group: 'g', generation, lease: 30_000, maxMessages: 1, maxBytes: 1_000_000 }
  const receive = (consumer: string, more: Partial<ReceiveRequest> = {}) =>
    watch(service.receive({ ...base, consumer, wait: 60_000, ...more }))
  const producer = new Producer(broker)
  const send = (count: number) => runtime.runUntil(producer.sendBatch('t', Array(count).fill({ value: 'x' })))
  const inFlight = async () => {
    const group = await runtime.runUntil(service.describeGroup({ topic: 't', group: 'g' }))
    return group.partitions.reduce((sum, partition) => sum + partition.inFlight, 0)
  }
  return { service, runtime, receive, send, inFlight, base }
}

const told = (hints: readonly Watched<unknown>[]) => hints.filter(({ settled }) => settled).length

describe('a hint', () => {
  test('leases nothing: it resolves empty when there is something, and at the end of its wait', async () => {
    const { runtime, receive, send, inFlight } = await openGroup()
    const hint = receive('c', { hint: true })
    await runtime.advance(59_000)
    expect(hint.settled).toBe(false)
    await send(1)
    await runtime.settle()
    expect(hint.value).toEqual({ deliveries: [] })
    expect(await inFlight()).toBe(0)
    const atOnce = receive('c', { hint: true })
    await runtime.settle()
    expect(atOnce.value).toEqual({ deliveries: [] })
    const fetched = await runtime.runUntil(receive('c', { wait: 0 }).promise)
    expect(fetched.deliveries).toHaveLength(1)
    const idle = receive('c', { hint: true, wait: 1_000 })
    await runtime.advance(1_000)
    expect(idle.value).toEqual({ deliveries: [] })
  })

  test('does not take the place of a receive that waits, and makes its share no smaller', async () => {
    const { runtime, receive, send } = await openGroup()
    const hints = ['a', 'b', 'c'].map((consumer) => receive(consumer, { hint: true }))
    const waiting = receive('d', { maxMessages: 10 })
    await send(10)
    await runtime.runUntil(waiting.promise)
    const [delivery] = waiting.value!.deliveries
    expect(delivery!.batches[0]!.ranges).toEqual([0, 10])
    await runtime.advance(1_000)
    expect(told(hints)).toBe(0)
  })

  test('one message tells one of many, and the next one if nobody fetches it', async () => {
    const { runtime, receive, send } = await openGroup()
    const hints = Array.from({ length: 50 }, (_, at) => receive(`c${at}`, { hint: true }))
    await send(1)
    await runtime.settle()
    expect(told(hints)).toBe(1)
    await runtime.advance(150)
    expect(told(hints)).toBe(2)
    await runtime.runUntil(receive('c1', { wait: 0 }).promise)
    await runtime.advance(10_000)
    expect(told(hints)).toBe(2)
  })

  test('whoever fetches leaves the rest to the next', async () => {
    const { runtime, receive, send } = await openGroup()
    const hints = Array.from({ length: 5 }, (_, at) => receive(`c${at}`, { hint: true }))
    await send(3)
    for (let at = 0; at < 3; at++) {
      await runtime.settle()
      expect(told(hints)).toBe(at + 1)
      await runtime.runUntil(receive(`c${at}`, { wait: 0 }).promise)
    }
    await runtime.advance(1_000)
    expect(told(hints)).toBe(3)
  })

  test('ends when its consumer ends it, and when the group moves', async () => {
    const { service, runtime, receive, base } = await openGroup()
    const ended = receive('c', { hint: true, id: 7 })
    const moved = receive('c', { hint: true, id: 8 })
    await runtime.settle()
    await service.endReceive({ topicId: base.topicId, group: 'g', consumer: 'c', id: 7 })
    await runtime.settle()
    expect(ended.error?.code).toBe('ABORTED')
    expect(moved.settled).toBe(false)
    await runtime.runUntil(service.seekGroup({ topic: 't', group: 'g', to: 'earliest' }))
    expect(moved.error?.code).toBe('GROUP_NOT_FOUND')
  })
})
