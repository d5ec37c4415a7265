import { expect, it } from 'vitest'
import { QueueTimes } from '../../src/broker/queue-times.js'
import type { PartitionState } from '../../src/core/partition-state.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'

it('a lease that is over and cannot be ended yet, since its group is not known, is looked at again a while later, not at once', async () => {
  const runtime = virtualRuntime()
  const leases = new Map([['lease', { terms: [{ duration: 100, deadline: Number.POSITIVE_INFINITY }] }]])
  const queues = new Map([['group', { leases, troubles: new Map(), waiting: 0 }]])
  let looks = 0
  const times = new QueueTimes(runtime, { queues } as unknown as PartitionState, () => {
    if (++looks > 100) throw new Error('It is looked at without end.')
    // Nothing can be done.
    times.leasesChecked()
  })
  times.start()
  await runtime.advance(2_600)
  expect(looks).toBeGreaterThanOrEqual(5)
  expect(looks).toBeLessThanOrEqual(10)
  leases.clear()
  await runtime.advance(10_000)
  expect(runtime.pendingTimers).toBe(0)
})
