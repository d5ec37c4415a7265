import { describe, expect, it } from 'vitest'
import { Lock } from '../../src/client/lock.js'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { fakeConnection, watch } from './client-support/fake-connection.js'

function setUp(service: Partial<BrokerService> = {}) {
  const renewals: number[] = []
  const released: number[] = []
  const connection = fakeConnection({
    acquireLock: async () => ({ token: 7 }),
    renewLock: async () => void renewals.push(runtime.clock.monotonic()),
    releaseLock: async ({ token }) => void released.push(token),
    ...service,
  })
  const { runtime } = connection
  return { connection, runtime, renewals, released, lock: new Lock(connection, 'l', { ttl: 3_000 }) }
}

describe('holding a lock', () => {
  it('renews every third of its time to live, and gives it back once', async () => {
    const { runtime, renewals, released, lock } = setUp()
    const held = await runtime.runUntil(lock.acquire())
    expect(held.token).toBe(7)
    await runtime.advance(10_000)
    expect(renewals).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000])
    await runtime.runUntil(Promise.all([held.release(), held.release()]))
    expect(released).toEqual([7])
    expect(held.signal.aborted).toBe(false)
    await runtime.settle()
    expect(runtime.pendingTimers).toBe(0)
  })

  it.each([
    ['renewals fail', () => Promise.reject(new PortalError('DISCONNECTED', 'x'))],
    ['renewals are never answered', () => new Promise<void>(() => {})],
  ])('is lost at the end of its time to live when %s', async (_, renewLock) => {
    const { runtime, lock } = setUp({ renewLock })
    const held = await runtime.runUntil(lock.acquire())
    await runtime.advance(2_999)
    expect(held.signal.aborted).toBe(false)
    await runtime.advance(1)
    expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    expect(runtime.pendingTimers).toBe(0)
  })

  it('counts its time from the sending of a renewal, not from the answer', async () => {
    let answers = 1
    const { runtime, lock } = setUp({
      renewLock: () =>
        answers-- > 0
          ? new Promise((resolve) => void runtime.timers.setTimeout(resolve, 1_500))
          : new Promise(() => {}),
    })
    const held = await runtime.runUntil(lock.acquire())
    await runtime.advance(3_999)
    expect(held.signal.aborted).toBe(false)
    await runtime.advance(1)
    expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
  })

  it('is lost at once when the broker says so, and when the broker closes', async () => {
    const one = setUp({ renewLock: () => Promise.reject(new PortalError('LOCK_LOST', 'x')) })
    const lost = await one.runtime.runUntil(one.lock.acquire())
    await one.runtime.advance(1_000)
    expect(lost.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    const other = setUp()
    const closed = await other.runtime.runUntil(other.lock.acquire())
    other.connection.closeBroker()
    expect(closed.signal.reason).toMatchObject({ code: 'CLOSED' })
  })
})

describe('acquiring a lock', () => {
  it('gives back a grant that comes after its caller has left', async () => {
    const { runtime, released, lock } = setUp({
      acquireLock: () =>
        new Promise((resolve) => void runtime.timers.setTimeout(() => resolve({ token: 9 }), 100)),
    })
    const controller = new AbortController()
    const held = watch(lock.acquire({ signal: controller.signal }))
    await runtime.advance(50)
    controller.abort('enough')
    await runtime.advance(50)
    expect(held.error).toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(released).toEqual([9])
    expect(runtime.pendingTimers).toBe(0)
  })

  it('tryAcquire resolves to null when it is held', async () => {
    const waits: (number | undefined)[] = []
    const { runtime, lock } = setUp({
      acquireLock: async ({ wait }) => {
        waits.push(wait)
        return undefined
      },
    })
    expect(await runtime.runUntil(lock.tryAcquire())).toBeNull()
    expect(waits).toEqual([0])
  })
})
