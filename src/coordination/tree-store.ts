import { PortalError } from '../core/errors.js'
import type {
  CoordinationNode,
  CoordinationSession,
  CoordinationStore,
  CreateNodeOptions,
} from './coordination.js'
import { nodeData } from './node-data.js'
import type { NodeTree } from './node-tree.js'
import { checkPath } from './paths.js'
import type { TreeSession } from './tree-session.js'

/** What a store asks of its tree. */
export interface TreeAccess {
  /** Applies an operation after all that were submitted before; resolves when it is saved. */
  submit<T>(apply: (nodes: NodeTree) => T): Promise<T>
  /** Ends the session after all operations that were submitted before. */
  end(): Promise<void>
}

/** A session's view of a CoordinationTree: checks arguments and hands over. */
export class TreeStore implements CoordinationStore {
  readonly #session: TreeSession
  readonly #tree: TreeAccess
  #closed: Promise<void> | undefined

  constructor(session: TreeSession, tree: TreeAccess) {
    this.#session = session
    this.#tree = tree
  }

  get session(): CoordinationSession {
    return this.#session
  }

  async create(path: string, data: Uint8Array, options: CreateNodeOptions = {}): Promise<string | undefined> {
    this.#check(path, 'node')
    const owner = options.ephemeral ? this.#session.id : undefined
    const node = { data: nodeData(path, data), owner, sequential: options.sequential ?? false }
    return this.#tree.submit((nodes) => nodes.create(path, node))
  }

  async read(path: string): Promise<CoordinationNode | undefined> {
    this.#check(path)
    return this.#tree.submit((nodes) => nodes.read(path))
  }

  async compareAndSet(path: string, data: Uint8Array, version: number): Promise<number | undefined> {
    this.#check(path, 'node')
    const copy = nodeData(path, data)
    return this.#tree.submit((nodes) => nodes.compareAndSet(path, copy, version))
  }

  async delete(path: string, version?: number): Promise<boolean> {
    this.#check(path, 'node')
    return this.#tree.submit((nodes) => nodes.delete(path, version))
  }

  async children(path: string): Promise<string[]> {
    this.#check(path)
    return this.#tree.submit((nodes) => nodes.children(path))
  }

  watch(path: string, listener: () => void): () => void {
    this.#check(path)
    return this.#session.watch(path, listener)
  }

  close(): Promise<void> {
    this.#closed ??= this.#tree.end()
    return this.#closed
  }

  #check(path: string, kind?: 'node'): void {
    if (this.#closed !== undefined) {
      throw new PortalError('CLOSED', `The coordination ${this.#session.id} is closed.`)
    }
    if (this.#session.lost.aborted) {
      throw new PortalError('CLOSED', `The coordination ${this.#session.id} was lost.`, {
        cause: this.#session.lost.reason,
      })
    }
    checkPath(path)
    if (kind === 'node' && path === '/') {
      throw new PortalError('INVALID_ARGUMENT', 'The root "/" of a coordination store cannot be written.')
    }
  }
}
