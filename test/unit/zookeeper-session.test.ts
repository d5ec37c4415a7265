import { describe, expect, it } from 'vitest'
import { ZooKeeperSession } from '../../src/coordination/zookeeper/session.js'
import { PortalError } from '../../src/core/errors.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'

const TIMEOUT = 6_000

/** A session whose probes take `delay`, or are not answered while `isSilent`. */
function opened(delay = 10) {
  const runtime = virtualRuntime()
  const state = { isSilent: false, probes: 0 }
  const session = new ZooKeeperSession({
    id: 's1',
    timeout: TIMEOUT,
    aliveAt: runtime.clock.monotonic(),
    probe() {
      state.probes++
      const { isSilent } = state
      return new Promise((resolve) => void runtime.timers.setTimeout(() => resolve(!isSilent), delay))
    },
    clock: runtime.clock,
    timers: runtime.timers,
  })
  return { session, runtime, state }
}

describe('the lease', () => {
  it('lasts two thirds of the timeout from the sending of the last probe that was answered', async () => {
    const { session, runtime } = opened(300)
    expect(session.leaseUntil()).toBe(4_000)
    await runtime.advance(1_299)
    expect(session.leaseUntil()).toBe(4_000)
    await runtime.advance(1)
    expect(session.leaseUntil()).toBe(1_000 + 4_000)
  })

  it('is not prolonged by probes without an answer', async () => {
    const { session, runtime, state } = opened()
    state.isSilent = true
    await runtime.advance(5_500)
    expect(state.probes).toBe(5)
    expect(session.leaseUntil()).toBe(4_000)
  })

  it('never goes back, in whatever order the answers come', async () => {
    const runtime = virtualRuntime()
    const answers: ((answered: boolean) => void)[] = []
    const session = new ZooKeeperSession({
      id: 's1',
      timeout: TIMEOUT,
      aliveAt: 0,
      probe: () => new Promise((resolve) => void answers.push(resolve)),
      clock: runtime.clock,
      timers: runtime.timers,
    })
    await runtime.advance(2_000)
    answers[1]!(true)
    await runtime.settle()
    expect(session.leaseUntil()).toBe(6_000)
    answers[0]!(true)
    await runtime.settle()
    expect(session.leaseUntil()).toBe(6_000)
  })

  it('is that of the shorter timeout when another server grants less', async () => {
    const { session, runtime, state } = opened()
    state.isSilent = true
    session.reconnected(3_000)
    expect([session.timeout, session.leaseUntil()]).toEqual([3_000, 2_000])
    await runtime.advance(2_999)
    expect(session.lost.aborted).toBe(false)
    await runtime.advance(1)
    expect(session.lost.aborted).toBe(true)
  })
})

describe('a session', () => {
  it('that is answered lives for ever', async () => {
    const { session, runtime } = opened()
    await runtime.advance(100 * TIMEOUT)
    expect(session.lost.aborted).toBe(false)
  })

  it('is lost a timeout after the sending of the last probe that was answered', async () => {
    const { session, runtime, state } = opened()
    await runtime.advance(2_500)
    state.isSilent = true
    await runtime.advance(2_000 + TIMEOUT - 2_500 - 1)
    expect(session.lost.aborted).toBe(false)
    await runtime.advance(1)
    expect(session.lost.reason).toMatchObject({ code: 'DISCONNECTED' })
    expect(session.leaseUntil()).toBe(-Infinity)
    expect(runtime.pendingTimers).toBeLessThanOrEqual(1)
  })

  it('is not lost if an answer waits behind a blocked event loop', async () => {
    const runtime = virtualRuntime()
    let answer = (_: boolean) => {}
    const late: (() => void)[] = []
    // Timers whose watchdog comes at last, with the answer of a probe in the queue behind it.
    const session = new ZooKeeperSession({
      id: 's1',
      timeout: TIMEOUT,
      aliveAt: 0,
      probe: () =>
        new Promise((resolve) => {
          answer = resolve
        }),
      clock: runtime.clock,
      timers: { ...runtime.timers, defer: (callback) => void late.push(callback) },
    })
    await runtime.advance(TIMEOUT)
    answer(true)
    await runtime.settle()
    for (const callback of late.splice(0)) callback()
    expect(session.lost.aborted).toBe(false)
    await runtime.advance(TIMEOUT)
    for (const callback of late.splice(0)) callback()
    expect(session.lost.aborted).toBe(true)
  })

  it('is lost once, and asks no more', async () => {
    const { session, runtime, state } = opened()
    let losses = 0
    session.lost.addEventListener('abort', () => losses++)
    session.lose(new PortalError('DISCONNECTED', 'first'))
    session.lose(new PortalError('DISCONNECTED', 'second'))
    session.reconnected(TIMEOUT)
    await runtime.advance(10 * TIMEOUT)
    expect([losses, state.probes, runtime.pendingTimers]).toEqual([1, 0, 0])
    expect(session.lost.reason).toMatchObject({ message: 'first' })
  })

  it('that is closed is not lost', async () => {
    const { session, runtime } = opened()
    session.stop()
    await runtime.advance(10 * TIMEOUT)
    expect(session.lost.aborted).toBe(false)
    expect(runtime.pendingTimers).toBe(0)
  })
})
