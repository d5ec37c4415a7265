import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/broker/broker.js'
import { SERVICE } from '../../src/protocol/connection.js'
import type { BrokerService, LeaseToken } from '../../src/protocol/service.js'
import { openBroker, openVirtualBroker, sendNumbers, temporaryDirectory } from './support/broker.js'

/** A consumer at the other end of a network that holds some messages under one lease, and settles request by request. */
async function remoteConsumer(count: number) {
  const { broker, runtime } = await openVirtualBroker()
  await runtime.runUntil(sendNumbers(broker, 't', count))
  const service: BrokerService = broker[SERVICE]
  const { topicId, generation } = await runtime.runUntil(
    service.joinGroup({ topic: 't', group: 'g', settings: {}, create: true }),
  )
  const me = { topicId, group: 'g', generation, consumer: 'c' }
  const receive = { ...me, lease: 30_000, maxMessages: count, maxBytes: 1 << 20, wait: 0 }
  const { partition, token } = (await runtime.runUntil(service.receive(receive))).deliveries[0]!
  const ack = (number: number, offset: number, under: LeaseToken = token) => {
    const settlement = { partition, token: under, outcome: 'ack' as const, ranges: [offset, offset + 1] }
    return runtime.runUntil(service.settle({ ...me, number, settlements: [settlement] }))
  }
  return { ack, token }
}

describe('A settlement whose answer was lost', () => {
  it('is answered as the first time, however many came in between: an ack that succeeded never reads as lost', async () => {
    const { ack } = await remoteConsumer(50)
    for (let number = 0; number < 50; number++) expect((await ack(number, number)).lost).toEqual([[]])
    for (let number = 0; number < 50; number++) expect((await ack(number, number)).lost).toEqual([[]])
  })

  it('nor does one that failed read as a success', async () => {
    const { ack, token } = await remoteConsumer(20)
    const wrong = { ...token, index: token.index + 100 }
    expect((await ack(0, 0, wrong)).lost).toEqual([[0, 1]])
    for (let number = 1; number < 20; number++) await ack(number, number)
    expect((await ack(0, 0, wrong)).lost).toEqual([[0, 1]])
    // Under another number it is another request: the message is still held.
    expect((await ack(99, 0)).lost).toEqual([[]])
  })

  it('nor as lost by the next leader, however many others it has answered first', async () => {
    const directory = await temporaryDirectory()
    const before = await openBroker({ directory })
    await sendNumbers(before, 't', 20)
    const { topicId, generation } = await before[SERVICE].joinGroup({
      topic: 't',
      group: 'g',
      settings: {},
      create: true,
    })
    const me = { topicId, group: 'g', generation, consumer: 'c' }
    const receive = { ...me, lease: 30_000, maxMessages: 20, maxBytes: 1 << 20, wait: 0 }
    const { partition, token } = (await before[SERVICE].receive(receive)).deliveries[0]!
    const ack = (broker: Broker, number: number) => {
      const settlement = { partition, token, outcome: 'ack' as const, ranges: [number, number + 1] }
      return broker[SERVICE].settle({ ...me, number, settlements: [settlement] })
    }
    await ack(before, 0)
    await before.close()
    const after = await openBroker({ directory })
    for (let number = 1; number < 20; number++) expect((await ack(after, number)).lost).toEqual([[]])
    expect((await ack(after, 0)).lost).toEqual([[]])
  })
})
