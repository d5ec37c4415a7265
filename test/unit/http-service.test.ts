import { describe, expect, it } from 'vitest'
import { PortalError } from '../../src/core/errors.js'
import { encodeProduceResponse } from '../../src/protocol/wire/produce.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { httpService } from '../../src/transport/http/client/http-service.js'

describe('a broker at the other end of HTTP that stops in the middle of a request', () => {
  it.each([
    ['CLOSED', 'DISCONNECTED'],
    ['STORAGE_FAILED', 'STORAGE_FAILED'],
  ] as const)('and refuses a batch with %s: the batch may be sent again, as %s', async (code, seen) => {
    const { clock, timers } = virtualRuntime()
    const body = encodeProduceResponse({ results: [{ error: new PortalError(code, 'It ended.') }] })
    const service = httpService('http://broker', {
      send: async () => ({ status: 200, type: '', body }),
      pack: async (records) => records,
      clock,
      timers,
      headers: () => ({}),
      timeout: 1_000,
    })
    const batches = [{ topicId: 'id', partition: 0, records: new Uint8Array(8) }]
    const { results } = await service.produce({ acks: 'all', batches })
    expect(results[0]!.error).toMatchObject({ code: seen, retriable: true })
  })
})
