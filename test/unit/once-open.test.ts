import { expect, test } from 'vitest'
import { onceOpen } from '../../src/broker/cluster/once-open.js'
import type { BrokerService } from '../../src/protocol/service.js'

test('a broker that has not been told of everything sends its callers away, instead of saying that their topic is gone', async () => {
  let open = false
  const service = { settle: async () => ({ lost: [] }), receiveStream: () => [] }
  const gated = onceOpen(service as unknown as BrokerService, () => open)
  const request = {} as Parameters<BrokerService['settle']>[0]
  await expect(gated.settle(request)).rejects.toMatchObject({ code: 'DISCONNECTED' })
  expect(() => gated.receiveStream({} as Parameters<BrokerService['receiveStream']>[0])).toThrow(
    'just been started',
  )
  open = true
  expect(await gated.settle(request)).toEqual({ lost: [] })
})
