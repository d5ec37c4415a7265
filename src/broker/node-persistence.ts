import type { NodePersistence } from '../coordination/coordination.js'
import type { Storage, Write } from '../storage/storage.js'

const PREFIX = 'node:'

/** Keeps the in-process coordination's nodes in the broker's own database. */
export function nodePersistence(storage: Storage): NodePersistence {
  return {
    async load() {
      const nodes = new Map<string, Uint8Array>()
      for (const [key, value] of await storage.readMeta(PREFIX)) nodes.set(key.slice(PREFIX.length), value)
      return nodes
    },
    async save(changes) {
      const writes: Write[] = []
      for (const [path, value] of changes) writes.push({ type: 'meta', key: PREFIX + path, value })
      await storage.commit(writes, { durable: true })
    },
  }
}
