import { describe, expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { LockService } from '../../src/coordination/lock.js'
import { GRACE } from '../../src/coordination/named-wait.js'
import { type VirtualRuntime, virtualRuntime } from '../../src/runtime/virtual.js'
import { crashing, disconnected, FakeDisk, openTree } from './coordination-support.js'

const LOCK = { name: 'nightly', ttl: 1_000 }

async function opened(disk = new FakeDisk(), runtime: VirtualRuntime = virtualRuntime()) {
  const tree = await openTree(disk)
  const store = tree.connect()
  return { tree, store, disk, runtime, locks: new LockService(store, runtime) }
}

/** What became of a promise, without waiting for it. */
function outcome<T>(promise: Promise<T>): { settled: boolean; value?: T; error?: unknown } {
  const state: { settled: boolean; value?: T; error?: unknown } = { settled: false }
  promise.then(
    (value) => Object.assign(state, { settled: true, value }),
    (error: unknown) => Object.assign(state, { settled: true, error }),
  )
  return state
}

describe('a lock', () => {
  it('is had by one at a time, in the order of coming', async () => {
    const { locks, runtime } = await opened()
    const order: number[] = []
    const waiting = Array.from({ length: 5 }, async (_, n) => {
      const grant = await locks.acquire(LOCK)
      order.push(n)
      return grant!.token
    })
    for (let n = 0; n < 5; n++) {
      await runtime.settle()
      expect(order).toEqual([0, 1, 2, 3, 4].slice(0, n + 1))
      await locks.release(LOCK.name, await waiting[n]!)
    }
  })

  it('is not had by one broker while another has it', async () => {
    const { locks, tree, runtime } = await opened()
    const others = new LockService(tree.connect(), runtime)
    const first = await locks.acquire(LOCK)
    const second = outcome(others.acquire(LOCK))
    await runtime.settle()
    expect(second.settled).toBe(false)
    await locks.release(LOCK.name, first!.token)
    await runtime.settle()
    expect(second.value!.token).toBeGreaterThan(first!.token)
  })

  it('is nobody else’s business: other names are free', async () => {
    const { locks } = await opened()
    const grants = await Promise.all(['a', 'b', 'c'].map((name) => locks.acquire({ name, ttl: 1_000 })))
    expect(new Set(grants.map((grant) => grant?.token)).size).toBe(3)
  })

  it('has a token that rises over holders, names, brokers and restarts', async () => {
    const disk = new FakeDisk()
    const tokens: number[] = []
    for (let start = 0; start < 3; start++) {
      const { locks, tree, runtime } = await opened(disk)
      for (const service of [locks, new LockService(tree.connect(), runtime)]) {
        for (const name of ['a', 'b', 'a']) {
          const grant = await service.acquire({ name, ttl: 1_000 })
          tokens.push(grant!.token)
          await service.release(name, grant!.token)
        }
      }
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
  })

  it('leaves no node behind that grows with the number of names', async () => {
    const { locks, store, disk } = await opened()
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const grant = await locks.acquire({ name: `order-${n}`, ttl: 1_000 })
        await locks.release(`order-${n}`, grant!.token)
      }),
    )
    expect(await store.children('/locks')).toEqual([])
    expect([...disk.nodes.keys()].sort()).toEqual(['/fencing-token', '/locks'])
  })

  it('that was held at a crash is free after the next open, and what it left is removed', async () => {
    const { locks, disk } = await opened()
    const before = await locks.acquire(LOCK)
    const after = await opened(disk)
    expect(await after.store.children('/locks')).toEqual(['nightly'])
    await after.locks.removeUnused()
    expect(await after.store.children('/locks')).toEqual([])
    expect((await after.locks.acquire({ ...LOCK, wait: 0 }))!.token).toBeGreaterThan(before!.token)
  })

  it('is not removed while it is held or waited for', async () => {
    const { locks, store, runtime } = await opened()
    await locks.acquire(LOCK)
    const waiting = outcome(locks.acquire(LOCK))
    await runtime.settle()
    await locks.removeUnused()
    expect(await store.children('/locks/nightly')).toHaveLength(2)
    expect(waiting.settled).toBe(false)
  })
})

describe('the time to live', () => {
  it('ends the lock, and the next one has it', async () => {
    const { locks, runtime } = await opened()
    const first = await locks.acquire(LOCK)
    const second = outcome(locks.acquire(LOCK))
    await runtime.advance(999)
    expect(second.settled).toBe(false)
    await runtime.advance(1)
    expect(second.value?.token).toBeGreaterThan(first!.token)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('begins again with every renewal', async () => {
    const { locks, runtime } = await opened()
    const first = await locks.acquire(LOCK)
    const second = outcome(locks.acquire(LOCK))
    for (let n = 0; n < 10; n++) {
      await runtime.advance(900)
      await locks.renew(LOCK.name, first!.token)
    }
    await runtime.advance(999)
    expect(second.settled).toBe(false)
    await runtime.advance(1)
    expect(second.settled).toBe(true)
  })

  it('knows no jump of the wall clock', async () => {
    const { locks, runtime } = await opened()
    const first = await locks.acquire(LOCK)
    runtime.jump(3_600_000)
    await runtime.advance(500)
    await locks.renew(LOCK.name, first!.token)
    runtime.jump(-7_200_000)
    await runtime.advance(1_000)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('is over when it is over, though the timer be late', async () => {
    const runtime = virtualRuntime()
    const late = { ...runtime, timers: { ...runtime.timers, setTimeout: () => ({ cancel() {} }) } }
    const { store, tree } = await opened(new FakeDisk(), runtime)
    const locks = new LockService(store, late)
    const first = await locks.acquire(LOCK)
    const second = outcome(new LockService(tree.connect(), runtime).acquire(LOCK))
    await runtime.advance(1_000)
    expect(second.settled).toBe(false)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await runtime.settle()
    expect(second.settled).toBe(true)
  })

  it('may be longer than a timer', async () => {
    const { locks, runtime } = await opened()
    const timers = runtime.timers
    Object.assign(runtime, {
      timers: {
        ...timers,
        setTimeout: (f: () => void, ms: number) => timers.setTimeout(f, Math.min(ms, 2 ** 31 - 1)),
      },
    })
    const month = 30 * 86_400_000
    const first = await locks.acquire({ ...LOCK, ttl: month })
    await runtime.advance(month - 1)
    await locks.renew(LOCK.name, first!.token)
    await runtime.advance(month)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('leaves no timer behind when the lock is released', async () => {
    const { locks, runtime } = await opened()
    const first = await locks.acquire({ ...LOCK, wait: 5_000 })
    await locks.release(LOCK.name, first!.token)
    expect(runtime.pendingTimers).toBe(0)
  })
})

describe('renewing and releasing', () => {
  it('are refused to any token but the holder’s; a release of another changes nothing', async () => {
    const { locks } = await opened()
    const first = await locks.acquire(LOCK)
    await expect(locks.renew(LOCK.name, first!.token + 1)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await expect(locks.renew('other', first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await locks.release(LOCK.name, first!.token - 1)
    await locks.release('other', first!.token)
    await locks.renew(LOCK.name, first!.token)
    await locks.release(LOCK.name, first!.token)
    await locks.release(LOCK.name, first!.token)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('a lock whose node is gone is lost, though its session does not know yet', async () => {
    const { locks, store } = await opened()
    const first = await locks.acquire(LOCK)
    const [node] = await store.children('/locks/nightly')
    await store.delete(`/locks/nightly/${node}`)
    await expect(locks.renew(LOCK.name, first!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })
})

describe('waiting', () => {
  it('ends with undefined when its time is over, and the queue goes on without it', async () => {
    const { locks, runtime, store } = await opened()
    const first = await locks.acquire(LOCK)
    const impatient = outcome(locks.acquire({ ...LOCK, wait: 100 }))
    const patient = outcome(locks.acquire({ ...LOCK, wait: 900 }))
    await runtime.advance(100)
    expect(impatient).toEqual({ settled: true, value: undefined })
    expect(await store.children('/locks/nightly')).toHaveLength(2)
    await locks.release(LOCK.name, first!.token)
    await runtime.settle()
    expect(patient.value?.token).toBeDefined()
  })

  it('of 0 takes a free lock, and makes no node for one that is held', async () => {
    const { locks, disk } = await opened()
    const first = await locks.acquire({ ...LOCK, wait: 0 })
    expect(first).toBeDefined()
    const saves = disk.saves.length
    expect(await locks.acquire({ ...LOCK, wait: 0 })).toBeUndefined()
    expect(disk.saves).toHaveLength(saves)
  })

  it('of 0 does not wait when two come at once', async () => {
    const { locks, runtime } = await opened()
    const both = [0, 1].map(() => outcome(locks.acquire({ ...LOCK, wait: 0 })))
    await runtime.settle()
    expect(both.map(({ settled }) => settled)).toEqual([true, true])
    expect(both.filter(({ value }) => value !== undefined)).toHaveLength(1)
  })

  it('that is aborted while the lock is being given leaves it to the next at once', async () => {
    const { disk, locks, runtime } = await opened()
    const controller = new AbortController()
    disk.onSave = async () => {
      if (disk.saves.at(-1)?.has('/fencing-token')) controller.abort()
    }
    const aborted = outcome(locks.acquire(LOCK, controller.signal))
    const next = outcome(locks.acquire(LOCK))
    await runtime.settle()
    expect(aborted.error).toMatchObject({ code: 'ABORTED' })
    expect(next.value).toBeDefined()
  })

  it('ends with ABORTED when the signal aborts, and the queue goes on without it', async () => {
    const { locks, runtime, store } = await opened()
    const first = await locks.acquire(LOCK)
    const controller = new AbortController()
    const aborted = outcome(locks.acquire(LOCK, controller.signal))
    const next = outcome(locks.acquire(LOCK))
    await runtime.settle()
    controller.abort(new Error('enough'))
    await runtime.settle()
    expect(aborted.error).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    expect(await store.children('/locks/nightly')).toHaveLength(2)
    await locks.release(LOCK.name, first!.token)
    await runtime.settle()
    expect(next.value).toBeDefined()
  })

  it('does not begin with a signal that has aborted', async () => {
    const { locks, disk } = await opened()
    await expect(locks.acquire(LOCK, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    expect(disk.saves).toHaveLength(0)
  })

  it('ends at once though the store does not answer, and gives back what comes later', async () => {
    const disk = new FakeDisk()
    const { locks, runtime, store } = await opened(disk)
    let finish = () => {}
    disk.onSave = () => {
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    }
    const late = outcome(locks.acquire({ ...LOCK, wait: 50 }))
    await runtime.advance(50)
    expect(late).toEqual({ settled: true, value: undefined })
    disk.onSave = async () => {}
    finish()
    await runtime.settle()
    expect(await store.children('/locks')).toEqual([])
  })

  it('wakes one of 1,000 with each release (no herd)', async () => {
    const { store, runtime } = await opened()
    let lists = 0
    let reads = 0
    const counted: CoordinationStore = {
      ...crashing(store, Infinity),
      children: (path) => {
        lists++
        return store.children(path)
      },
      read: (path) => {
        reads++
        return store.read(path)
      },
    }
    const locks = new LockService(counted, runtime)
    const order: number[] = []
    const grants = Array.from({ length: 1_000 }, (_, n) => {
      return locks.acquire(LOCK).then((grant) => {
        order.push(n)
        return grant!.token
      })
    })
    await runtime.settle()
    for (const [n, grant] of grants.entries()) {
      const token = await grant
      // Only this one woke: it saw that its predecessor was gone, listed once, and took a token.
      if (n > 0) expect([n, lists, reads]).toEqual([n, 1, 3])
      lists = 0
      reads = 0
      await locks.release(LOCK.name, token)
    }
    expect(order).toEqual(Array.from({ length: 1_000 }, (_, n) => n))
  })
})

describe('a wait of several calls', () => {
  const poll = { ...LOCK, wait: 15_000 }

  /** A lock that is held, and a queue in which `first` polls before `second` does. */
  async function queue() {
    const parts = await opened()
    const { locks, runtime } = parts
    const holder = await locks.acquire({ ...LOCK, ttl: 1_000_000 })
    const first = outcome(locks.acquire({ ...poll, waiter: 'first' }))
    await runtime.settle()
    const second = outcome(locks.acquire({ ...poll, wait: 100_000, waiter: 'second' }))
    await runtime.settle()
    const release = () => locks.release(LOCK.name, holder!.token)
    return { ...parts, first, second, release }
  }

  it('keeps its place from one call to the next, however many', async () => {
    const { locks, runtime, store, first, second, release } = await queue()
    await runtime.advance(15_000)
    expect(first).toEqual({ settled: true, value: undefined })
    for (let at = 0; at < 3; at++) {
      await runtime.advance(GRACE - 1)
      const renewed = outcome(locks.acquire({ ...poll, waiter: 'first' }))
      await runtime.advance(15_000)
      expect(renewed).toEqual({ settled: true, value: undefined })
    }
    expect(await store.children('/locks/nightly')).toHaveLength(3)
    const last = outcome(locks.acquire({ ...poll, waiter: 'first' }))
    await release()
    await runtime.settle()
    expect(last.value).toBeDefined()
    expect(second.settled).toBe(false)
    await locks.release(LOCK.name, last.value!.token)
    await runtime.settle()
    expect(second.value!.token).toBeGreaterThan(last.value!.token)
    expect(await store.children('/locks/nightly')).toHaveLength(1)
  })

  it('has its turn when it comes back within the grace: the lock waits for it', async () => {
    const { locks, runtime, second, release } = await queue()
    await runtime.advance(15_000)
    await release()
    await runtime.advance(GRACE - 1)
    expect(second.settled).toBe(false)
    const back = outcome(locks.acquire({ ...poll, waiter: 'first' }))
    await runtime.settle()
    expect(back.value).toBeDefined()
    await runtime.advance(900)
    await locks.renew(LOCK.name, back.value!.token)
    await runtime.advance(900)
    expect(second.settled).toBe(false)
  })

  it('loses its place when it does not', async () => {
    const { locks, runtime, store, second, release } = await queue()
    await runtime.advance(15_000 + GRACE)
    expect(await store.children('/locks/nightly')).toHaveLength(2)
    const late = outcome(locks.acquire({ ...poll, waiter: 'first' }))
    await release()
    await runtime.settle()
    expect(second.value).toBeDefined()
    expect(late.settled).toBe(false)
  })

  it('loses its turn when that comes and it does not', async () => {
    const { runtime, second, release } = await queue()
    await runtime.advance(15_000)
    await release()
    await runtime.advance(GRACE)
    expect(second.value).toBeDefined()
    expect(runtime.pendingTimers).toBe(1)
  })

  it('keeps its place when a call is cut, and none when it is given up', async () => {
    const { locks, runtime, store } = await queue()
    const cut = new AbortController()
    const third = outcome(locks.acquire({ ...poll, waiter: 'third' }, cut.signal))
    await runtime.settle()
    cut.abort()
    await runtime.settle()
    expect(third.error).toMatchObject({ code: 'ABORTED' })
    expect(await store.children('/locks/nightly')).toHaveLength(4)
    expect(await locks.acquire({ ...LOCK, wait: 0, waiter: 'third' })).toBeUndefined()
    await runtime.settle()
    expect(await store.children('/locks/nightly')).toHaveLength(3)
  })

  it('that is given up takes nothing, though the lock be free', async () => {
    const { locks } = await opened()
    expect(await locks.acquire({ ...LOCK, wait: 0, waiter: 'w' })).toBeUndefined()
    expect(await locks.acquire({ ...LOCK, wait: 0 })).toBeDefined()
  })

  it('that is given up while a call waits ends the call', async () => {
    const { locks, runtime, first } = await queue()
    await locks.acquire({ ...LOCK, wait: 0, waiter: 'first' })
    await runtime.settle()
    expect(first).toEqual({ settled: true, value: undefined })
  })

  it('has the lock once: of a call that came twice one waits, and a late copy is refused', async () => {
    const { locks, runtime, store, first, release } = await queue()
    const copy = outcome(locks.acquire({ ...poll, waiter: 'first' }))
    await runtime.settle()
    expect(first).toEqual({ settled: true, value: undefined })
    expect(await store.children('/locks/nightly')).toHaveLength(3)
    await release()
    await runtime.settle()
    await locks.release(LOCK.name, copy.value!.token)
    await expect(locks.acquire({ ...poll, waiter: 'first' })).rejects.toMatchObject({
      code: 'ABORTED',
      retriable: true,
    })
  })

  it('whose call ends while its token is taken has the next one when it comes back', async () => {
    const { disk, locks, runtime } = await opened()
    const controller = new AbortController()
    disk.onSave = async () => {
      if (disk.saves.at(-1)?.has('/fencing-token')) controller.abort()
    }
    const aborted = outcome(locks.acquire({ ...poll, waiter: 'w' }, controller.signal))
    await runtime.settle()
    expect(aborted.error).toMatchObject({ code: 'ABORTED' })
    const back = outcome(locks.acquire({ ...poll, waiter: 'w' }))
    await runtime.settle()
    expect(back.value).toEqual({ token: 2 })
  })

  it('does not outlive the session, nor the service', async () => {
    const one = await queue()
    await one.tree.expire(one.store)
    await one.runtime.settle()
    expect(one.first.error).toMatchObject({ code: 'DISCONNECTED', retriable: true })
    const other = await queue()
    await other.runtime.advance(15_000)
    await other.locks.close()
    await other.runtime.settle()
    expect(other.second.error).toMatchObject({ code: 'CLOSED' })
    expect(await other.store.children('/locks')).toEqual([])
    expect(other.runtime.pendingTimers).toBe(0)
  })
})

describe('when the session is lost', () => {
  it('its locks pass on, its waiters hear DISCONNECTED', async () => {
    const { tree, store, locks, runtime } = await opened()
    const other = new LockService(tree.connect(), runtime)
    const held = await locks.acquire(LOCK)
    const waiter = outcome(locks.acquire(LOCK))
    const next = outcome(other.acquire(LOCK))
    await runtime.settle()
    await tree.expire(store)
    await runtime.settle()
    expect(waiter.error).toMatchObject({ code: 'DISCONNECTED', retriable: true })
    expect(next.value!.token).toBeGreaterThan(held!.token)
    await expect(locks.renew(LOCK.name, held!.token)).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await locks.release(LOCK.name, held!.token)
    await expect(locks.acquire(LOCK)).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await locks.close()
  })

  it('while it takes its token, it gets no lock: tokens rise in the order of the holders', async () => {
    const { tree, store, runtime } = await opened()
    const other = new LockService(tree.connect(), runtime)
    const zombie: CoordinationStore = {
      ...crashing(store, Infinity),
      // The session ends on the server; the token is still written, on another connection say.
      create: async (path, data, options) => {
        if (path !== '/fencing-token') return store.create(path, data, options)
        const [node] = await store.children('/locks/nightly')
        await store.delete(`/locks/nightly/${node}`)
        expect((await other.acquire(LOCK))?.token).toBe(1)
        return undefined
      },
    }
    await expect(new LockService(zombie, runtime).acquire(LOCK)).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
  })
})

describe('when answers are lost', () => {
  it('a place whose creation was applied is found and used', async () => {
    const { store, runtime } = await opened()
    let once = true
    const lossy: CoordinationStore = {
      ...crashing(store, Infinity),
      create: async (path, data, options) => {
        const made = await store.create(path, data, options)
        if (once && options?.sequential) {
          once = false
          throw disconnected()
        }
        return made
      },
    }
    const locks = new LockService(lossy, runtime)
    const first = await locks.acquire(LOCK)
    expect(first).toBeDefined()
    expect(await store.children('/locks/nightly')).toHaveLength(1)
    await locks.release(LOCK.name, first!.token)
    expect(await store.children('/locks')).toEqual([])
  })

  it('a place that could not be found blocks the lock no longer than the connection is away', async () => {
    const { store, runtime, tree } = await opened()
    let away = false
    const lossy: CoordinationStore = {
      ...crashing(store, Infinity),
      create: async (path, data, options) => {
        await store.create(path, data, options)
        away = true
        throw disconnected()
      },
      children: (path) => (away ? Promise.reject(disconnected()) : store.children(path)),
      delete: (path) => (away ? Promise.reject(disconnected()) : store.delete(path)),
    }
    await expect(new LockService(lossy, runtime).acquire(LOCK)).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
    const other = outcome(new LockService(tree.connect(), runtime).acquire(LOCK))
    await runtime.advance(10_000)
    expect(other.settled).toBe(false)
    away = false
    await runtime.advance(500)
    expect(other.value).toBeDefined()
  })

  it('a place that a server which is behind does not show is given up all the same', async () => {
    const { store, runtime, tree } = await opened()
    await store.create('/locks/nightly', new Uint8Array(0))
    let isLost = true
    let seen: string[] | undefined
    const behind: CoordinationStore = {
      ...crashing(store, Infinity),
      create: async (path, data, options) => {
        if (!isLost || !options?.sequential) return store.create(path, data, options)
        isLost = false
        seen = await store.children('/locks/nightly')
        await store.create(path, data, options)
        throw disconnected()
      },
      // Whatever it answers a write with, it has seen all that was written before.
      delete: (path) => {
        seen = undefined
        return store.delete(path)
      },
      children: async (path) => seen ?? store.children(path),
    }
    const locks = new LockService(behind, runtime)
    await expect(locks.acquire(LOCK)).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await runtime.settle()
    expect(await store.children('/locks')).toEqual([])
    const next = outcome(new LockService(tree.connect(), runtime).acquire(LOCK))
    await runtime.settle()
    expect(next.value).toBeDefined()
  })
})

describe('closing', () => {
  it('gives the locks back, and tells the waiters', async () => {
    const { locks, tree, runtime } = await opened()
    await locks.acquire(LOCK)
    const waiter = outcome(locks.acquire(LOCK))
    const next = outcome(new LockService(tree.connect(), runtime).acquire(LOCK))
    await runtime.settle()
    await Promise.all([locks.close(), locks.close()])
    await runtime.settle()
    expect(waiter.error).toMatchObject({ code: 'CLOSED' })
    expect(next.value).toBeDefined()
    await expect(locks.acquire(LOCK)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('arguments', () => {
  it.each([
    [{ name: '', ttl: 1 }],
    [{ name: 'a/b', ttl: 1 }],
    [{ name: '..', ttl: 1 }],
    [{ name: 'x'.repeat(250), ttl: 1 }],
    [{ name: 'a', ttl: 0 }],
    [{ name: 'a', ttl: Number.NaN }],
    [{ name: 'a', ttl: Infinity }],
    [{ name: 'a', ttl: 1, wait: -1 }],
    [{ name: 'a', ttl: 1, wait: Number.NaN }],
  ])('%o is refused', async (request) => {
    const { locks } = await opened()
    await expect(locks.acquire(request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('of 249 characters is a name', async () => {
    const { locks } = await opened()
    expect(await locks.acquire({ name: 'x'.repeat(249), ttl: 1 })).toBeDefined()
  })
})
