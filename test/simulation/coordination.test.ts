import { describe, expect, it, test } from 'vitest'
import { coordinationConformance } from '../../src/coordination/conformance.js'
import { isPortalError } from '../../src/core/errors.js'
import { connectCoordination } from './coordination.js'
import { CoordinationLink } from './coordination-connection.js'
import { Ensemble } from './ensemble.js'
import { Scheduler } from './scheduler.js'

const TIMEOUT = 6_000

function service(seed: number) {
  const scheduler = new Scheduler(seed)
  const ensemble = new Ensemble(scheduler)
  const open = (link = new CoordinationLink(), life = scheduler.life()) =>
    connectCoordination({ scheduler, ensemble, link, life, timeout: TIMEOUT })
  /** Goes on until the work is done. */
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const over = () => {
      isOver = true
    }
    work.then(over, over)
    while (!isOver) expect(await scheduler.step(), 'something is left to happen').toBe(true)
    return work
  }
  return { scheduler, ensemble, open, run }
}

const bytes = (text: string) => new TextEncoder().encode(text)

describe('the simulated coordination service without faults', () => {
  for (const { name, run: runCase } of coordinationConformance({ shared: true })) {
    test(name, () => {
      const { open, run } = service(1)
      return run(runCase(() => open()))
    })
  }
})

describe('the simulated coordination service with faults', () => {
  it('ends a session that was silent for longer than its timeout, and the client learns it when it is back', async () => {
    const { scheduler, ensemble, open, run } = service(2)
    const link = new CoordinationLink()
    const store = await run(open(link))
    await run(store.create('/members/one', bytes(''), { ephemeral: true }))
    link.cut(false)
    await run(scheduler.sleep(TIMEOUT * 2))
    expect(ensemble.truth.children('/members')).toEqual([])
    expect(store.session.lost.aborted).toBe(false)
    expect(store.session.leaseUntil()).toBeLessThan(scheduler.now)
    link.heal()
    await run(scheduler.sleep(TIMEOUT))
    expect(store.session.lost.aborted).toBe(true)
    await expect(store.read('/members')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('tells the client of the end of a session that was cut off as soon as it was open', async () => {
    const { scheduler, ensemble, open, run } = service(9)
    const link = new CoordinationLink()
    const store = await run(open(link))
    await run(store.create('/members/one', bytes(''), { ephemeral: true }))
    link.cut(true)
    await run(scheduler.sleep(TIMEOUT * 2))
    expect(ensemble.truth.children('/members')).toEqual([])
    link.heal()
    await run(scheduler.sleep(TIMEOUT))
    expect(store.session.lost.aborted).toBe(true)
  })

  it('carries nothing more over a connection on which something was lost: who waits learns it, though it is whole again at once', async () => {
    const { scheduler, open, run } = service(4)
    const link = new CoordinationLink()
    const store = await run(open(link))
    link.cut(false)
    const created = store.create('/lost', bytes('')).catch((error: unknown) => error)
    await run(scheduler.sleep(50))
    link.heal()
    expect(isPortalError(await run(created), 'DISCONNECTED')).toBe(true)
    expect(await run(store.read('/lost'))).toBeUndefined()
  })

  it('ends the session of a process that is frozen, whose lease is over before', async () => {
    const { scheduler, ensemble, open, run } = service(3)
    const life = scheduler.life()
    const store = await run(open(new CoordinationLink(), life))
    await run(store.create('/members/one', bytes(''), { ephemeral: true }))
    life.freeze()
    let overAt = 0
    while (ensemble.truth.read('/members/one')) {
      expect(await scheduler.step()).toBe(true)
      overAt = scheduler.now
    }
    expect(store.session.leaseUntil()).toBeLessThan(overAt)
    life.thaw()
    await run(scheduler.sleep(TIMEOUT))
    expect(store.session.lost.aborted).toBe(true)
  })

  it('keeps sessions while it is away, and serves them again', async () => {
    const { scheduler, ensemble, open, run } = service(4)
    const store = await run(open())
    await run(store.create('/members/one', bytes(''), { ephemeral: true }))
    ensemble.leave()
    await run(scheduler.sleep(60_000))
    ensemble.comeBack()
    await run(scheduler.sleep(TIMEOUT / 2))
    expect(store.session.lost.aborted).toBe(false)
    expect(await run(store.children('/members'))).toEqual(['one'])
    expect(store.session.leaseUntil()).toBeGreaterThan(scheduler.now)
  })

  it('leaves open whether a write was made over which the connection broke: some were, some were not', async () => {
    const { scheduler, ensemble, open, run } = service(5)
    const link = new CoordinationLink()
    const store = await run(open(link))
    let made = 0
    let unknown = 0
    for (let n = 0; n < 200; n++) {
      const write = store.create(`/n/${n}`, bytes(''))
      scheduler.after(scheduler.random() * 10, () => link.reset())
      try {
        await run(write)
        made++
      } catch (error) {
        expect(isPortalError(error, 'DISCONNECTED')).toBe(true)
        unknown++
      }
      await run(scheduler.sleep(200))
    }
    const written = ensemble.truth.children('/n').length
    expect(written).toBeGreaterThan(made)
    expect(written).toBeLessThan(made + unknown)
  })

  it('lets a session read what is old, never what is older than it has read, and never older than its own writes', async () => {
    const { scheduler, ensemble, open, run } = service(6)
    ensemble.faults.lag = 2_000
    const writer = await run(open())
    const link = new CoordinationLink()
    const reader = await run(open(link))
    await run(writer.create('/a', bytes('')))
    let stale = 0
    let last = -1
    for (let version = 0; version < 100; version++) {
      expect(await run(writer.compareAndSet('/a', bytes(''), version))).toBe(version + 1)
      const read = (await run(reader.read('/a')))?.version ?? -1
      expect(read).toBeGreaterThanOrEqual(last)
      last = read
      if (read < version + 1) stale++
      if (version % 10 === 0) {
        link.reset()
        await run(scheduler.sleep(200))
      }
    }
    expect(stale).toBeGreaterThan(0)
    const created = (await run(reader.create('/b', bytes(''))))!
    expect(await run(reader.read(created))).toBeDefined()
  })

  it('tells watchers late, once for many changes, and again after every new connection', async () => {
    const { scheduler, ensemble, open, run } = service(7)
    const writer = await run(open())
    const link = new CoordinationLink()
    link.faults.lateness = 5_000
    const reader = await run(open(link))
    let calls = 0
    reader.watch('/a', () => calls++)
    await run(writer.create('/a', bytes('')))
    for (let version = 0; version < 20; version++) await run(writer.compareAndSet('/a', bytes(''), version))
    await run(scheduler.sleep(6_000))
    expect(calls).toBeGreaterThan(0)
    expect(calls).toBeLessThan(10)
    const before = calls
    link.cut(true)
    await run(writer.compareAndSet('/a', bytes(''), 20))
    await run(scheduler.sleep(1_000))
    expect(calls).toBe(before)
    link.heal()
    await run(scheduler.sleep(2_000))
    expect(calls).toBe(before + 1)
    expect(ensemble.truth.read('/a')?.version).toBe(21)
  })

  it('tells over a new connection what changes there, whatever news the old one took with it', async () => {
    const { scheduler, open, run } = service(8)
    const writer = await run(open())
    await run(writer.create('/a', bytes('')))
    await run(writer.create('/b', bytes('')))
    const link = new CoordinationLink()
    link.faults.lateness = 5_000
    const reader = await run(open(link))
    let known = -1
    reader.watch('/a', () => {})
    reader.watch('/b', async () => {
      known = (await reader.read('/b'))?.version ?? -1
    })
    for (let version = 0; version < 20; version++) {
      await run(writer.compareAndSet('/a', bytes(''), version))
      link.reset()
      await run(scheduler.sleep(200))
      await run(writer.compareAndSet('/b', bytes(''), version))
      await run(scheduler.sleep(6_000))
      expect(known).toBe(version + 1)
    }
  })
})
