import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { http } from '../../src/http.js'
import type { PeerService } from '../../src/protocol/peer-service.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { allPeerMethods } from '../../src/protocol/wire/peer.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { peerSamples } from '../../src/transport/conformance/peer-samples.js'
import { LogBook } from '../integration/support/broker.js'
import { validPeerMessages } from './support/peer-messages.js'
import { fuzz, mutated } from './support/rounds.js'

it('whatever a broker is sent by who knows the secret, it answers, and goes on', async () => {
  const secret = 'the-secret-of-a-cluster-in-a-test'
  const log = new LogBook()
  const peers = Object.fromEntries(peerSamples.map(({ method, answer }) => [method, async () => answer]))
  const transport = http({ port: 0, cluster: { secret }, logger: log })
  const listener = await transport.listen({} as BrokerService, peers as unknown as PeerService)
  onTestFinished(() => listener.close())
  const body = fc.oneof(
    { weight: 4, arbitrary: mutated(validPeerMessages) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
  const seen = new Set<number>()
  await fuzz(
    0.05,
    fc.asyncProperty(fc.constantFrom(...allPeerMethods), body, async ([name, { form }], bytes) => {
      const type = form === 'json' ? 'application/json' : WIRE_TYPE
      const { status, text } = await ask(`${listener.address}/peer/v1/${name}`, type, bytes)
      expect([200, 400, 415], text).toContain(status)
      seen.add(status)
    }),
    () => expect(log.lines).toEqual([]),
  )
  expect(seen).toContain(200)

  async function ask(url: string, type: string, bytes: Uint8Array) {
    const headers = { 'content-type': type, 'x-portal-mq-cluster': secret }
    const response = await fetch(url, { method: 'POST', headers, body: bytes as Uint8Array<ArrayBuffer> })
    return { status: response.status, text: await response.text() }
  }
})
