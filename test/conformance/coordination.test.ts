import { describe, test } from 'vitest'
import { coordinationConformance, type OpenCoordination } from '../../src/coordination/conformance.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { CoordinationTree } from '../../src/coordination/tree.js'
import { FakeDisk } from '../unit/coordination-support.js'

describe('in-process coordination', () => {
  for (const { name, run } of coordinationConformance({ shared: false })) {
    test(name, () => {
      const persistence = new FakeDisk()
      return run(() => inProcessCoordination()({ persistence }))
    })
  }
})

describe('a coordination tree with several sessions', () => {
  for (const { name, run } of coordinationConformance({ shared: true })) {
    test(name, () => run(openShared()))
  }
})

/** Sessions share a tree while any is open; then the next one opens the tree anew from the disk. */
function openShared(): OpenCoordination {
  const disk = new FakeDisk()
  const open = new Set<CoordinationStore>()
  let tree: Promise<CoordinationTree> | undefined
  return async () => {
    if (open.size === 0) tree = undefined
    tree ??= CoordinationTree.open(disk)
    const store = (await tree).connect()
    const close = store.close.bind(store)
    open.add(store)
    store.close = async () => {
      await close()
      open.delete(store)
    }
    return store
  }
}
