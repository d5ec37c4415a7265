import { describe, expect, it } from 'vitest'
import type { BrokerService, ReceiveResponse } from '../../src/protocol/service.js'
import type { CallSignal } from '../../src/runtime/call-signal.js'
import { inProcess } from '../../src/transport/in-process.js'

async function listen(service: Partial<BrokerService>) {
  const transport = inProcess()
  const listener = await transport.listen(service as BrokerService)
  return { listener, remote: transport.connect(listener.address), transport }
}

const receive = {
  topicId: 't',
  group: 'g',
  generation: 1,
  consumer: 'c',
  lease: 1,
  maxMessages: 1,
  maxBytes: 1,
}

describe('the in-process transport', () => {
  it('passes the same bytes, both ways', async () => {
    const records = new Uint8Array([1, 2, 3])
    const response: ReceiveResponse = { deliveries: [] }
    let arrived: Uint8Array | undefined
    const { remote } = await listen({
      produce: async ({ batches }) => {
        arrived = batches[0]!.records
        return { results: [] }
      },
      receive: async () => response,
    })
    await remote.produce({ acks: 'all', batches: [{ topicId: 't', partition: 0, records }] })
    expect(arrived).toBe(records)
    expect(await remote.receive(receive)).toBe(response)
  })

  it('ends calls under way with DISCONNECTED when the listener closes, and refuses later ones', async () => {
    const { remote, listener, transport } = await listen({ listTopics: () => new Promise(() => {}) })
    const call = remote.listTopics()
    await listener.close()
    await listener.close()
    await expect(call).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await expect(remote.listTopics()).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await expect(transport.connect(listener.address).listTopics()).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
    await expect(transport.connect('elsewhere').listTopics()).rejects.toMatchObject({ code: 'DISCONNECTED' })
  })

  it('ends the caller’s wait when its signal aborts, and tells the service', async () => {
    let told: CallSignal | undefined
    const { remote } = await listen({
      read: (_, call) => {
        told = call?.signal
        return new Promise(() => {})
      },
    })
    const controller = new AbortController()
    const call = remote.read(
      { topicId: 't', partition: 0, offset: 0, maxBytes: 1 },
      { signal: controller.signal },
    )
    controller.abort('enough')
    await expect(call).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(told!.aborted).toBe(true)
    await expect(remote.listTopics({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('lets a grant through that was on its way when the signal aborted: only its caller can give it back', async () => {
    let grant = (_: ReceiveResponse) => {}
    const { remote } = await listen({ receive: () => new Promise((resolve) => (grant = resolve)) })
    const controller = new AbortController()
    const call = remote.receive(receive, { signal: controller.signal })
    grant({ deliveries: [] })
    controller.abort()
    expect(await call).toEqual({ deliveries: [] })
  })

  it('a service that throws rejects the call', async () => {
    const { remote } = await listen({
      listTopics: () => {
        throw new Error('broken')
      },
    })
    await expect(remote.listTopics()).rejects.toThrow('broken')
  })
})
