import { describe, expect, it } from 'vitest'
import { SERVICE } from '../../src/protocol/connection.js'
import type { BrokerService, HeldToken } from '../../src/protocol/service.js'
import { openVirtualBroker, sendNumbers } from './support/broker.js'

/** A consumer at the other end of a network, call by call. */
async function remoteConsumer(count: number) {
  const { broker, runtime } = await openVirtualBroker()
  await runtime.runUntil(sendNumbers(broker, 't', count))
  const service: BrokerService = broker[SERVICE]
  const joining = service.joinGroup({ topic: 't', group: 'g', settings: {}, create: true })
  const { topicId, generation } = await runtime.runUntil(joining)
  const me = { topicId, group: 'g', generation, consumer: 'c' }
  const ask = (maxMessages: number, wait: number, held?: readonly HeldToken[]) =>
    service.receive({ ...me, lease: 30_000, maxMessages, maxBytes: 1 << 20, wait, held })
  return { broker, runtime, service, me, ask }
}

describe('A receive whose answer was lost', () => {
  it('is made good by the next one that says what the consumer holds: its messages come again at once, uncounted', async () => {
    const { runtime, ask } = await remoteConsumer(3)
    await runtime.runUntil(ask(2, 0))
    const [again] = (await runtime.runUntil(ask(3, 1_000, []))).deliveries
    expect(again!.batches.map(({ ranges }) => ranges)).toEqual([[0, 3]])
    expect(again!.batches[0]!.deliveryCounts).toEqual([])
    expect(runtime.clock.monotonic()).toBeLessThan(1_000)
  })

  it('takes nothing from the consumer that it says it holds', async () => {
    const { runtime, service, me, ask } = await remoteConsumer(2)
    const [mine] = (await runtime.runUntil(ask(1, 0))).deliveries
    const { partition, token } = mine!
    const [next] = (await runtime.runUntil(ask(2, 0, [{ partition, token }]))).deliveries
    expect(next!.batches.map(({ ranges }) => ranges)).toEqual([[1, 2]])
    const settlements = [{ partition, token, outcome: 'ack' as const, ranges: [0, 1] }]
    const settled = await runtime.runUntil(service.settle({ ...me, number: 1, settlements }))
    expect(settled.lost).toEqual([[]])
  })

  it('and that still waits is ended: what comes goes to the one that is listened to', async () => {
    const { runtime, ask } = await remoteConsumer(1)
    await runtime.runUntil(ask(1, 0))
    const unheard = ask(1, 60_000)
    const refused = expect(unheard).rejects.toMatchObject({ code: 'ABORTED', retriable: true })
    await runtime.settle()
    const heard = ask(5, 60_000, [])
    await refused
    expect((await runtime.runUntil(heard)).deliveries[0]!.batches[0]!.ranges).toEqual([0, 1])
  })
})
