import { describe, test } from 'vitest'
import { coordinationConformance, type OpenCoordination } from '../../src/coordination/conformance.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { CoordinationTree } from '../../src/coordination/tree.js'
import { disconnected, FakeDisk } from '../unit/coordination-support.js'

describe('in-process coordination', () => {
  for (const { name, run } of coordinationConformance({ shared: false })) {
    test(name, () => {
      const persistence = new FakeDisk()
      return run(() => inProcessCoordination()({ persistence }))
    })
  }
})

describe('a coordination tree with several sessions', () => {
  const links = new Map<CoordinationStore, Link>()
  const faults = {
    expire: async (store: CoordinationStore) => links.get(store)?.expire(),
    interrupt: async (store: CoordinationStore) => links.get(store)?.interrupt(),
  }
  for (const { name, run } of coordinationConformance({ shared: true, ...faults })) {
    test(name, () => run(openShared(links)))
  }
})

/** What a test can do to a session. */
interface Link {
  expire(): Promise<void>
  interrupt(): void
}

/** Sessions share a tree while any is open; then the next one opens the tree anew from the disk. */
function openShared(links: Map<CoordinationStore, Link>): OpenCoordination {
  const disk = new FakeDisk()
  const open = new Set<CoordinationStore>()
  let tree: Promise<CoordinationTree> | undefined
  return async () => {
    if (open.size === 0) tree = undefined
    tree ??= CoordinationTree.open(disk)
    const current = await tree
    const inner = current.connect()
    const { store, interrupt } = interruptible(inner)
    links.set(store, { interrupt, expire: () => current.expire(inner) })
    open.add(store)
    store.close = async () => {
      await inner.close()
      open.delete(store)
    }
    return store
  }
}

/** A store that, when it is interrupted, loses the answers to its next calls: every other is applied. */
function interruptible(inner: CoordinationStore): { store: CoordinationStore; interrupt: () => void } {
  let left = 0
  async function lossy<T>(call: () => Promise<T>): Promise<T> {
    if (left === 0) return call()
    left--
    if (left % 2 === 0) await call()
    throw disconnected()
  }
  return {
    interrupt: () => {
      left = 3
    },
    store: {
      session: inner.session,
      create: (...args) => lossy(() => inner.create(...args)),
      read: (...args) => lossy(() => inner.read(...args)),
      compareAndSet: (...args) => lossy(() => inner.compareAndSet(...args)),
      delete: (...args) => lossy(() => inner.delete(...args)),
      children: (...args) => lossy(() => inner.children(...args)),
      watch: (...args) => inner.watch(...args),
      close: () => inner.close(),
    },
  }
}
