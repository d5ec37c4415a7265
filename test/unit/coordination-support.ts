import type { CoordinationStore, NodePersistence } from '../../src/coordination/coordination.js'
import { CoordinationTree } from '../../src/coordination/tree.js'
import { PortalError } from '../../src/core/errors.js'
import type { Random } from '../../src/runtime/runtime.js'

/** A disk that forgets nothing it was asked to save, counts its saves, and can be told to wait or to fail. */
export class FakeDisk implements NodePersistence {
  readonly nodes = new Map<string, Uint8Array>()
  readonly saves: ReadonlyMap<string, Uint8Array | undefined>[] = []
  /** Called before a save is done. */
  onSave: () => Promise<void> = async () => {}

  async load(): Promise<Map<string, Uint8Array>> {
    return new Map(this.nodes)
  }

  async save(changes: ReadonlyMap<string, Uint8Array | undefined>): Promise<void> {
    this.saves.push(changes)
    await this.onSave()
    for (const [path, bytes] of changes) {
      if (bytes === undefined) this.nodes.delete(path)
      else this.nodes.set(path, bytes)
    }
  }
}

export async function openTree(disk: NodePersistence = new FakeDisk()): Promise<CoordinationTree> {
  return CoordinationTree.open(disk)
}

/**
 * A store whose connection fails by chance: a write rejects with DISCONNECTED although it was applied, or because it was
 * not; whoever calls cannot tell (zookeeper-client.md).
 */
export function unreliable(store: CoordinationStore, random: Random, share = 0.3): CoordinationStore {
  async function maybe<T>(work: () => Promise<T>): Promise<T> {
    const fate = random.float()
    if (fate < share / 2) throw disconnected()
    const result = await work()
    if (fate < share) throw disconnected()
    return result
  }
  return {
    session: store.session,
    create: (...args) => maybe(() => store.create(...args)),
    compareAndSet: (...args) => maybe(() => store.compareAndSet(...args)),
    delete: (...args) => maybe(() => store.delete(...args)),
    read: (...args) => store.read(...args),
    children: (...args) => store.children(...args),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
  }
}

/** A store that stops for good before its nth write: what a crash at that point leaves. */
export function crashing(store: CoordinationStore, writes: number): CoordinationStore {
  let left = writes
  function survive<T>(work: () => Promise<T>): Promise<T> {
    return left-- > 0 ? work() : new Promise(() => {})
  }
  return {
    session: store.session,
    create: (...args) => survive(() => store.create(...args)),
    compareAndSet: (...args) => survive(() => store.compareAndSet(...args)),
    delete: (...args) => survive(() => store.delete(...args)),
    read: (...args) => store.read(...args),
    children: (...args) => store.children(...args),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
  }
}

export function disconnected(): PortalError {
  return new PortalError('DISCONNECTED', 'The connection was lost.')
}
