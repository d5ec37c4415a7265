import { describe, expect, it } from 'vitest'
import { virtualRuntime } from '../../src/runtime/virtual.js'

describe('a virtual runtime', () => {
  it('fires timers in the order of their time, then of their making, at their time', async () => {
    const runtime = virtualRuntime()
    const fired: string[] = []
    const at = (name: string, delay: number) =>
      runtime.timers.setTimeout(() => fired.push(`${name}@${runtime.clock.monotonic()}`), delay)
    at('c', 20)
    at('a', 10)
    at('b', 10)
    at('gone', 15).cancel()
    runtime.timers.defer(() => fired.push('deferred'))
    expect(runtime.pendingTimers).toBe(4)
    await runtime.advance(15)
    expect(fired).toEqual(['deferred', 'a@10', 'b@10'])
    await runtime.advance(5)
    expect(fired.at(-1)).toBe('c@20')
    expect(runtime.pendingTimers).toBe(0)
  })

  it('settles promises between timers', async () => {
    const runtime = virtualRuntime()
    const order: string[] = []
    runtime.timers.setTimeout(() => void Promise.resolve().then(() => order.push('promise')), 1)
    runtime.timers.setTimeout(() => order.push('timer'), 1)
    await runtime.advance(1)
    expect(order).toEqual(['promise', 'timer'])
  })

  it('runs until a promise settles or a condition holds, and says when neither can', async () => {
    const runtime = virtualRuntime()
    const sleep = new Promise<string>(
      (resolve) => void runtime.timers.setTimeout(() => resolve('done'), 5_000),
    )
    expect(await runtime.runUntil(sleep)).toBe('done')
    expect(runtime.clock.monotonic()).toBe(5_000)
    await expect(runtime.runUntil(Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(runtime.runUntil(() => false)).rejects.toThrow(/Not reached/)
  })

  it('the wall clock jumps, the monotonic one does not', () => {
    const runtime = virtualRuntime({ start: 1_000 })
    runtime.jump(-400)
    expect(runtime.clock.now()).toBe(600)
    expect(runtime.clock.monotonic()).toBe(0)
  })

  it('equal seeds give equal chance, others other', () => {
    const draw = (seed: number) => {
      const { random } = virtualRuntime({ seed })
      return [random.float(), random.float(), ...random.bytes(8)]
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    const { random } = virtualRuntime({ seed: 3 })
    const mean = Array.from({ length: 10_000 }, () => random.float()).reduce((sum, x) => sum + x, 0) / 10_000
    expect(mean).toBeCloseTo(0.5, 1)
  })
})
