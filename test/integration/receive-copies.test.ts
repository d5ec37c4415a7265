import { describe, expect, test } from 'vitest'
import { SERVICE } from '../../src/protocol/connection.js'
import type { ReceiveRequest } from '../../src/protocol/service.js'
import { watch } from '../unit/client-support/fake-connection.js'
import { openVirtualBroker, sendNumbers } from './support/broker.js'

/** A consumer at the other end of a network that may bring a request twice. */
async function remoteConsumer() {
  const { broker, runtime } = await openVirtualBroker()
  const service = broker[SERVICE]
  await runtime.runUntil(service.createTopic({ name: 't', config: { partitions: 1 } }))
  const joining = service.joinGroup({ topic: 't', group: 'g', settings: {}, create: true })
  const { topicId, generation } = await runtime.runUntil(joining)
  const me = { topicId, group: 'g', generation, consumer: 'c' }
  const receive = (id: number, more: Partial<ReceiveRequest> = {}) =>
    watch(
      service.receive({ ...me, lease: 30_000, maxMessages: 1, maxBytes: 1 << 20, wait: 10_000, id, ...more }),
    )
  const inFlight = async () => {
    const group = await runtime.runUntil(service.describeGroup({ topic: 't', group: 'g' }))
    return group.partitions.reduce((sum, partition) => sum + partition.inFlight, 0)
  }
  const send = (count: number) => runtime.runUntil(sendNumbers(broker, 't', count))
  return { runtime, service, me, receive, inFlight, send }
}

const refused = { code: 'ABORTED', retriable: true }

describe('a receive that the network brings twice', () => {
  test('leases once while it waits', async () => {
    const { runtime, receive, inFlight, send } = await remoteConsumer()
    const first = receive(1)
    const copy = receive(1)
    await runtime.settle()
    expect(copy.error).toMatchObject(refused)
    await send(2)
    await runtime.settle()
    expect(first.value!.deliveries).toHaveLength(1)
    expect(await inFlight()).toBe(1)
  })

  test('leases once when its copy comes after the answer, and after the ack', async () => {
    const { runtime, service, me, receive, inFlight, send } = await remoteConsumer()
    await send(2)
    const { deliveries } = await runtime.runUntil(receive(1).promise)
    const late = receive(1)
    await runtime.settle()
    expect(late.error).toMatchObject(refused)
    const [{ partition, token }] = deliveries as [(typeof deliveries)[0]]
    const settlements = [{ partition, token, outcome: 'ack' as const, ranges: [0, 1] }]
    await runtime.runUntil(service.settle({ ...me, number: 1, settlements }))
    const later = receive(1)
    await runtime.advance(10_000)
    expect(later.error).toMatchObject(refused)
    expect(await inFlight()).toBe(0)
  })

  test('leases nothing when its copy comes after a wait in vain, or after it was ended', async () => {
    const { runtime, service, me, receive, inFlight, send } = await remoteConsumer()
    const vain = receive(1, { wait: 0 })
    const ended = receive(2)
    await runtime.settle()
    await service.endReceive({ ...me, id: 2 })
    await runtime.settle()
    expect(vain.value).toEqual({ deliveries: [] })
    expect(ended.error).toMatchObject({ code: 'ABORTED' })
    const overtaken = service.endReceive({ ...me, id: 3 })
    await runtime.runUntil(overtaken)
    const copies = [receive(1), receive(2), receive(3)]
    await send(3)
    await runtime.advance(10_000)
    for (const { error } of copies) expect(error).toMatchObject(refused)
    expect(await inFlight()).toBe(0)
  })

  test('takes nothing from the consumer by what it says is held', async () => {
    const { runtime, service, me, receive, send } = await remoteConsumer()
    await send(1)
    const { deliveries } = await runtime.runUntil(receive(1, { held: [] }).promise)
    const copy = receive(1, { held: [] })
    await runtime.settle()
    expect(copy.error).toMatchObject(refused)
    const [{ partition, token }] = deliveries as [(typeof deliveries)[0]]
    const settlements = [{ partition, token, outcome: 'ack' as const, ranges: [0, 1] }]
    const { lost } = await runtime.runUntil(service.settle({ ...me, number: 1, settlements }))
    expect(lost).toEqual([[]])
  })

  test('is none when it renews a long wait, comes from another consumer, or is passed on by another broker', async () => {
    const { runtime, service, me, receive, send } = await remoteConsumer()
    const wait = 15_000
    const vain = receive(1, { wait })
    await runtime.advance(wait)
    expect(vain.value).toEqual({ deliveries: [] })
    const renewed = receive(1, { wait })
    const others = receive(1, { consumer: 'd' })
    const request = { ...me, lease: 30_000, maxMessages: 1, maxBytes: 1 << 20, wait: 10_000, id: 1 }
    const passedOn = watch(service.receive(request, { forwarded: true }))
    await send(3)
    await runtime.settle()
    for (const { value } of [renewed, others, passedOn]) expect(value!.deliveries).toHaveLength(1)
  })
})
