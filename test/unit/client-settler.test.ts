import { expect, it } from 'vitest'
import { HeldLease, type LeaseOwner } from '../../src/client/consumer/held-batch.js'
import { Settler } from '../../src/client/consumer/settler.js'
import { PortalError } from '../../src/core/errors.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import type { SettleRequest, SettleResponse } from '../../src/protocol/service.js'
import { fakeConnection, watch } from './client-support/fake-connection.js'

const SESSION = { topic: 't', topicId: 'id', generation: 1 }
const token = { epoch: 1, index: 1, slot: 0 }

/** A settler whose requests are answered by hand, for a topic whose partitions have these leaders. */
function setUp(leaders: readonly string[] | undefined) {
  const requests: (SettleRequest & {
    answer(): void
    hangUp(): void
  })[] = []
  const settle = (request: SettleRequest) =>
    new Promise<SettleResponse>((resolve, reject) => {
      const answer = () => resolve({ lost: request.settlements.map(() => []) })
      requests.push({ ...request, answer, hangUp: () => reject(new PortalError('DISCONNECTED', 'Silence.')) })
    })
  const connection = fakeConnection({ settle }, undefined, leaders && ((_, partition) => leaders[partition]))
  const settler = new Settler(
    connection[CONNECTION],
    { consumerId: 'c', group: 'g' },
    { pending() {}, lost() {}, extended() {} },
  )
  const lease = (partition: number) => new HeldLease({} as LeaseOwner, SESSION, partition, token)
  const ack = (of: HeldLease, offset: number) =>
    watch(settler.settle(of, offset, 'ack', undefined, undefined))
  const partitionsOf = ({ settlements }: SettleRequest) => settlements.map(({ partition }) => partition)
  return { runtime: connection.runtime, settler, requests, lease, ack, partitionsOf }
}

it('settles with each leader apart: one that does not answer holds up no ack of the others', async () => {
  const { runtime, settler, requests, lease, ack, partitionsOf } = setUp(['dead', 'alive', 'alive'])
  const leases = [lease(0), lease(1), lease(2)]
  const stuck: ReturnType<typeof ack>[] = []
  for (let round = 0; round < 5; round++) {
    const before = requests.length
    stuck.push(ack(leases[0]!, round))
    const others = [ack(leases[1]!, round), ack(leases[2]!, round)]
    settler.send()
    const [ofOthers] = requests.slice(before).filter((one) => partitionsOf(one)[0] !== 0)
    expect(partitionsOf(ofOthers!)).toEqual([1, 2])
    ofOthers!.answer()
    await runtime.settle()
    expect(others.every(({ settled }) => settled)).toBe(true)
  }
  expect(stuck.some(({ settled }) => settled)).toBe(false)
  const toTheDead = () => requests.filter((one) => partitionsOf(one)[0] === 0)
  expect(toTheDead()).toHaveLength(2)
  // What waits for a free request goes as one, once there is one.
  toTheDead()[0]!.answer()
  await runtime.settle()
  settler.send()
  expect(toTheDead().map(({ settlements }) => settlements.map(({ ranges }) => ranges))).toEqual([
    [[0, 1]],
    [[1, 2]],
    [[2, 5]],
  ])
  for (const one of toTheDead()) one.answer()
  await runtime.runUntil(settler.settled())
  expect(stuck.every(({ error, settled }) => settled && error === undefined)).toBe(true)
})

it('numbers requests apart, and repeats one under its number to whoever leads by then', async () => {
  const leaders = ['a', 'b']
  const { runtime, settler, requests, lease, ack } = setUp(leaders)
  const acks = [ack(lease(0), 0), ack(lease(1), 0)]
  settler.send()
  expect(requests.map(({ number }) => number)).toEqual([1, 2])
  leaders[0] = 'b'
  requests[0]!.hangUp()
  requests[1]!.answer()
  await runtime.advance(1_000)
  expect(requests.map(({ number }) => number)).toEqual([1, 2, 1])
  requests[2]!.answer()
  await runtime.settle()
  expect(acks.every(({ settled }) => settled)).toBe(true)
})

it('has one request for all where one broker is asked for all', () => {
  const { settler, requests, lease, ack, partitionsOf } = setUp(undefined)
  for (const one of [lease(0), lease(1), lease(2)]) ack(one, 0)
  settler.send()
  expect(requests.map(partitionsOf)).toEqual([[0, 1, 2]])
})
