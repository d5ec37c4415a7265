import { onTestFinished } from 'vitest'
import type { CoordinationStore } from '../../../src/coordination/coordination.js'
import { isPortalError } from '../../../src/core/errors.js'
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

export const bytes = (text: string) => new TextEncoder().encode(text)

/** What a node holds, as text. Asks again while the connection is lost. */
export async function textAt(store: CoordinationStore, path: string): Promise<string | undefined> {
  const node = await answered(() => store.read(path))
  return node && new TextDecoder().decode(node.data)
}

/** Asks until the store answers: for reads, which may be repeated. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isPortalError(error, 'DISCONNECTED')) throw error
    }
  }
}

/** Resolves when the session of the store is lost. */
export function lost(store: CoordinationStore): Promise<void> {
  return new Promise((resolve) => {
    const { lost } = store.session
    if (lost.aborted) resolve()
    else lost.addEventListener('abort', () => resolve())
  })
}
