import { expect, test } from 'vitest'
import { onceLed } from '../../src/broker/cluster/once-led.js'
import type { BrokerService, ProduceRequest, SettleRequest } from '../../src/protocol/service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { sleepUntil } from '../../src/runtime/wait.js'
import { watch } from './client-support/fake-connection.js'

/** A broker that is about to lead partition 1 of a topic, and leads partition 0. */
function setUp() {
  const runtime = virtualRuntime()
  const asked: string[] = []
  let coming = true
  let look = () => {}
  const service = onceLed(
    {
      produce: async () => {
        asked.push('produce')
        return { results: [] }
      },
      settle: async () => {
        asked.push('settle')
        return { lost: [] }
      },
    } as unknown as BrokerService,
    {
      isAboutToLead: (_, partition) => partition === 1 && coming,
      until: async (isLed, timeout, signal) => {
        await sleepUntil<true>(runtime.timers, 'Waiting', { timeout, signal }, (resolve) => {
          look = () => isLed() && resolve(true)
          return () => {}
        })
      },
    },
  )
  const produce = (partition: number, signal?: AbortSignal) =>
    watch(
      service.produce(
        {
          acks: 'all',
          batches: [{ topicId: 't', partition, records: new Uint8Array() }],
        } satisfies ProduceRequest,
        { signal },
      ),
    )
  const settle = (partition: number) =>
    watch(service.settle({ topicId: 't', settlements: [{ partition }] } as unknown as SettleRequest))
  const lead = () => {
    coming = false
    look()
  }
  return { runtime, asked, produce, settle, lead }
}

test('sends to a partition that a broker is about to lead are taken as soon as it does', async () => {
  const { runtime, asked, produce, lead } = setUp()
  const sent = produce(1)
  await runtime.advance(100)
  expect(asked).toEqual([])
  lead()
  await runtime.settle()
  expect(asked).toEqual(['produce'])
  expect(sent.settled).toBe(true)
})

test('settlements wait as sends do', async () => {
  const { runtime, asked, settle, lead } = setUp()
  settle(1)
  await runtime.settle()
  expect(asked).toEqual([])
  lead()
  await runtime.settle()
  expect(asked).toEqual(['settle'])
})

test('what is led already, or by others, does not wait', async () => {
  const { runtime, asked, produce, settle } = setUp()
  produce(0)
  settle(2)
  await runtime.settle()
  expect(asked).toEqual(['produce', 'settle'])
})

test('they wait for half a second at most, and end with their caller', async () => {
  const { runtime, asked, produce } = setUp()
  const controller = new AbortController()
  const given = produce(1, controller.signal)
  await runtime.settle()
  controller.abort()
  await runtime.settle()
  expect(given.error).toMatchObject({ code: 'ABORTED' })
  produce(1)
  await runtime.advance(499)
  expect(asked).toEqual([])
  await runtime.advance(1)
  expect(asked).toEqual(['produce'])
})
