import { describe, expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { DocumentStore } from '../../src/coordination/document-store.js'
import { controllerKind, paths } from '../../src/coordination/documents.js'
import { type Office, standForElection } from '../../src/coordination/election.js'
import { seededRandom, virtualRuntime } from '../../src/runtime/virtual.js'
import { openTree, unreliable } from './coordination-support.js'

const runtime = virtualRuntime()

function stand(store: CoordinationStore, broker: string, signal?: AbortSignal): Promise<Office> {
  const parts = { store, timers: runtime.timers, random: runtime.random }
  return standForElection(parts, { broker, storage: 's', generation: 1 }, signal)
}

describe('the office of the controller', () => {
  it('is held by one at a time, in the order of standing, each in a higher term', async () => {
    const tree = await openTree()
    const stores = ['b1', 'b2', 'b3'].map((broker) => ({ broker, store: tree.connect() }))
    const offices: Office[] = []
    const inOffice: string[] = []
    for (const { broker, store } of stores) {
      void stand(store, broker).then((office) => {
        inOffice.push(broker)
        offices.push(office)
      })
      await runtime.settle()
    }
    expect(inOffice).toEqual(['b1'])
    await tree.expire(stores[0]!.store)
    await runtime.settle()
    expect(offices[0]!.lost.aborted).toBe(true)
    expect(inOffice).toEqual(['b1', 'b2'])
    await offices[1]!.resign()
    await runtime.settle()
    expect(inOffice).toEqual(['b1', 'b2', 'b3'])
    expect(offices.map(({ term }) => term)).toEqual([1, 2, 3])
    expect(await offices[2]!.confirm()).toBe(true)
  })

  it('wakes one who waits, not all, when it comes free', async () => {
    const tree = await openTree()
    let reads = 0
    const counted = (store: CoordinationStore): CoordinationStore => ({
      session: store.session,
      create: (...args) => store.create(...args),
      compareAndSet: (...args) => store.compareAndSet(...args),
      delete: (...args) => store.delete(...args),
      read: (...args) => {
        reads++
        return store.read(...args)
      },
      children: (...args) => {
        reads++
        return store.children(...args)
      },
      watch: (...args) => store.watch(...args),
      close: () => store.close(),
    })
    const first = await stand(tree.connect(), 'b0')
    const woken: string[] = []
    for (let n = 1; n <= 30; n++) void stand(counted(tree.connect()), `b${n}`).then(() => woken.push(`b${n}`))
    await runtime.settle()
    reads = 0
    await first.resign()
    await runtime.settle()
    expect(woken).toEqual(['b1'])
    expect(reads).toBeLessThan(10)
  })

  it('ends when somebody raised the term', async () => {
    const tree = await openTree()
    const office = await stand(tree.connect(), 'b1')
    const documents = new DocumentStore(tree.connect(), { writer: 'b2', random: runtime.random })
    await documents.change(controllerKind, paths.controller, (it) => ({
      ...it,
      broker: 'b2',
      term: it.term + 1,
    }))
    await runtime.settle()
    expect(office.lost.aborted).toBe(true)
    expect(office.lost.reason).toMatchObject({
      message: expect.stringContaining('b2 is the controller in term 2'),
    })
    expect(await office.confirm()).toBe(false)
    await expect(office.setRebalancing(true)).rejects.toMatchObject({ code: 'DISCONNECTED' })
    // Its place is free for whoever is next.
    expect((await stand(tree.connect(), 'b3')).term).toBe(3)
  })

  it('passes on whether there is a rebalance to go on with', async () => {
    const tree = await openTree()
    const first = await stand(tree.connect(), 'b1')
    expect(first.rebalancing).toBe(false)
    await first.setRebalancing(true)
    await first.resign()
    const second = await stand(tree.connect(), 'b2')
    expect(second.rebalancing).toBe(true)
    await second.setRebalancing(false)
    expect(second.rebalancing).toBe(false)
  })

  it('is not waited for once the signal aborts or the session is lost', async () => {
    const tree = await openTree()
    await stand(tree.connect(), 'b1')
    const abort = new AbortController()
    const store = tree.connect()
    const ends = Promise.all([
      expect(stand(tree.connect(), 'b2', abort.signal)).rejects.toMatchObject({ code: 'ABORTED' }),
      expect(stand(store, 'b3')).rejects.toMatchObject({ code: 'DISCONNECTED' }),
    ])
    await runtime.settle()
    abort.abort()
    await tree.expire(store)
    await ends
    await runtime.settle()
    expect(await tree.connect().children(`${paths.elections}/controller`)).toHaveLength(1)
  })

  it('is never held by two, whatever becomes of answers', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const tree = await openTree()
      const held = new Set<string>()
      const terms: number[] = []
      const run = async (broker: string, store: CoordinationStore) => {
        for (let rounds = 0; rounds < 3; ) {
          try {
            const office = await stand(store, broker)
            expect([...held]).toEqual([])
            held.add(broker)
            terms.push(office.term)
            await new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, 10))
            held.delete(broker)
            await office.resign()
            rounds++
          } catch (error) {
            expect(error).toMatchObject({ code: 'DISCONNECTED' })
          }
        }
      }
      const random = seededRandom(seed)
      const all = Promise.all(
        ['b1', 'b2', 'b3'].map((broker) => run(broker, unreliable(tree.connect(), random, 0.4))),
      )
      let over = false
      void all.finally(() => (over = true)).catch(() => {})
      // Nothing but promises may be under way: no timer to run until.
      while (!over) await runtime.advance(10)
      await all
      expect(terms).toEqual([...new Set(terms)].sort((a, b) => a - b))
      expect(terms).toHaveLength(9)
    }
  })
})
