import { onTestFinished } from 'vitest'
import type { CoordinationStore } from '../../../src/coordination/coordination.js'
import { randomId } from '../../../src/runtime/runtime.js'
import { systemRuntime } from '../../../src/runtime/system.js'
import { type ZooKeeperOptions, zookeeper } from '../../../src/zookeeper.js'

/** Storage that no adapter of ZooKeeper touches. */
const host = {
  persistence: { load: async () => new Map<string, Uint8Array>(), save: async () => {} },
}

/** A path for a cluster that nobody else has. */
export function freshRoot(): string {
  return `/test-${randomId(systemRuntime().random, 8)}`
}

/** A session that is closed when the test ends. */
export async function openStore(servers: string, options?: ZooKeeperOptions): Promise<CoordinationStore> {
  const store = await zookeeper(servers, options)(host)
  onTestFinished(() => store.close())
  return store
}

/** Resolves when the session of the store is lost. */
export function lost(store: CoordinationStore): Promise<void> {
  return new Promise((resolve) => {
    const { lost } = store.session
    if (lost.aborted) resolve()
    else lost.addEventListener('abort', () => resolve())
  })
}
