import { describe, expect, test } from 'vitest'
import { createBroker, type HeldLock, Lock } from '../../src/index.js'
import { numbers, openBroker, openVirtualBroker, temporaryDirectory } from './support/broker.js'

describe('a lock', () => {
  test('has one holder at a time, in the order of coming; tokens rise', async () => {
    const broker = await openBroker()
    const order: number[] = []
    const tokens: number[] = []
    let holders = 0
    const first = await new Lock(broker, 'l').acquire()
    const others = numbers(20).map(async (at) => {
      const held = await new Lock(broker, 'l').acquire()
      expect(++holders).toBe(1)
      order.push(at)
      tokens.push(held.token)
      await new Promise((resolve) => setImmediate(resolve))
      holders--
      await held.release()
    })
    expect(await new Lock(broker, 'l').tryAcquire()).toBeNull()
    expect(order).toEqual([])
    await first.release()
    await Promise.all(others)
    expect(order).toEqual(numbers(20))
    for (const [at, token] of tokens.entries()) expect(token).toBeGreaterThan(tokens[at - 1] ?? first.token)
  })

  test('does not concern locks of other names', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const held = await Promise.all(numbers(50).map((at) => new Lock(broker, `l${at}`).tryAcquire()))
    expect(held).not.toContain(null)
    await Promise.all(held.map((one) => one!.release()))
  })

  test('is had by tryAcquire when it is free, and released twice without harm', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    const lock = new Lock(broker, 'l')
    const held = (await lock.tryAcquire())!
    expect(await lock.tryAcquire()).toBeNull()
    await held.release()
    const next = (await lock.tryAcquire())!
    await held.release()
    expect(await lock.tryAcquire()).toBeNull()
    expect(next.signal.aborted).toBe(false)
    {
      await using _ = next
    }
    expect(await lock.tryAcquire()).not.toBeNull()
  })

  test('is renewed as long as it is held, however short its time to live', async () => {
    const { broker, runtime } = await openVirtualBroker()
    const held = await runtime.runUntil(new Lock(broker, 'l', { ttl: 100 }).acquire())
    let next: HeldLock | undefined
    void new Lock(broker, 'l').acquire().then((lock) => {
      next = lock
    })
    await runtime.advance(600_000)
    expect(held.signal.aborted).toBe(false)
    expect(next).toBeUndefined()
    await runtime.runUntil(held.release())
    await runtime.runUntil(() => next !== undefined)
    expect(next!.token).toBeGreaterThan(held.token)
  })

  test("gives tokens that rise across restarts, and its holder's signal aborts when the broker closes", async () => {
    const directory = await temporaryDirectory()
    let last = 0
    for (let time = 0; time < 4; time++) {
      const broker = await createBroker({ directory })
      for (let again = 0; again < 3; again++) {
        const held = await new Lock(broker, 'l').acquire()
        expect(held.token).toBeGreaterThan(last)
        last = held.token
        if (again < 2) await held.release()
        else {
          const aborted = new Promise((resolve) => held.signal.addEventListener('abort', resolve))
          await broker.close()
          await aborted
          expect(held.signal.reason).toMatchObject({ code: 'CLOSED' })
        }
      }
    }
  })

  test('refuses what makes no sense', async () => {
    const broker = await openBroker({ directory: ':memory:' })
    for (const make of [
      () => new Lock(broker, ''),
      () => new Lock(broker, 'a/b'),
      () => new Lock(broker, 'l', { ttl: 1 }),
      () => new Lock(broker, 'l', { tll: 500 } as never),
    ])
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
