import { test } from 'vitest'
import { coordinationConformance } from '../../src/coordination/conformance.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { describeCluster, type Link, openLink, sharedServer } from './support/servers.js'
import { freshRoot, lost, openStore } from './support/stores.js'

describeCluster('coordination on ZooKeeper', () => {
  const links = new Map<CoordinationStore, Link>()
  const cases = coordinationConformance({
    shared: true,
    async expire(store) {
      const link = links.get(store)
      await link?.sever()
      await lost(store)
    },
    async interrupt(store) {
      await links.get(store)?.cut()
    },
  })
  for (const { name, run } of cases) {
    test(name, async () => {
      const server = await sharedServer()
      const root = freshRoot()
      await run(async () => {
        const link = await openLink(server)
        const store = await openStore(link.address + root, { sessionTimeout: 2_000 })
        links.set(store, link)
        return store
      })
    })
  }
})
