import { test } from 'vitest'
import { coordinationConformance } from '../../src/coordination/conformance.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { describeCluster, type Link, openLink, sharedServer } from './support/servers.js'
import { freshRoot, lost, openStore } from './support/stores.js'

/**
 * A call of the package that finds its connection cut aborts the process, tests and all (package-client.test.ts shows it; of 8 runs of three
 * cases here that cut one, the process of the tests ended in one). So its connections are never cut: they fall silent when a session is to expire, and none is interrupted.
 */
const clients = [
  { client: 'builtin', isCut: true },
  { client: 'package', isCut: false },
] as const

/** Milliseconds: where sessions are to expire, and where none should, however slow the machine is. */
const SHORT = 2_000
const LONG = 10_000

describeCluster.each(clients)('coordination on ZooKeeper with the client $client', ({ client, isCut }) => {
  const links = new Map<CoordinationStore, Link>()
  const options = {
    shared: true,
    interrupt: isCut ? async (store: CoordinationStore) => links.get(store)?.cut() : undefined,
  }
  const cases = coordinationConformance({
    ...options,
    async expire(store) {
      const link = links.get(store)
      await (isCut ? link?.sever() : link?.hush())
      await lost(store)
    },
  })
  const lasting = new Set(coordinationConformance(options).map(({ name }) => name))
  for (const { name, run } of cases) {
    test(name, async () => {
      const server = await sharedServer()
      const root = freshRoot()
      const sessionTimeout = lasting.has(name) ? LONG : SHORT
      await run(async () => {
        const link = await openLink(server)
        const store = await openStore(link.address + root, { client, sessionTimeout })
        links.set(store, link)
        return store
      })
    })
  }
})
