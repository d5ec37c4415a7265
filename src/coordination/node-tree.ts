import { PortalError } from '../core/errors.js'
import type { CoordinationNode } from './coordination.js'
import { decodeNode, encodeNode } from './node-codec.js'
import { nodeName, parentPath, sequentialPath } from './paths.js'

/** What happened to a tree since the last look. */
export interface TreeChanges {
  /** What must be saved: persistent nodes only; `undefined` removes. */
  readonly saves: Map<string, Uint8Array | undefined>
  /** Paths made, changed or deleted, and the parents whose children came or went. */
  readonly touched: ReadonlySet<string>
}

export interface NewNode {
  readonly data: Uint8Array
  /** The session that an ephemeral node ends with. */
  readonly owner: string | undefined
  readonly sequential: boolean
}

/** The nodes themselves, synchronous and without sessions: each method is one atomic operation. Paths are checked before. */
export class NodeTree {
  readonly #nodes = new Map<string, Node>([['/', new Node(NO_DATA, undefined)]])
  readonly #owned = new Map<string, Set<string>>()
  #unsaved = new Set<string>()
  #touched = new Set<string>()

  /** The tree that was saved as `saved`. */
  static load(saved: ReadonlyMap<string, Uint8Array>): NodeTree {
    const tree = new NodeTree()
    for (const [path, bytes] of saved) {
      const { data, version, nextNumber } = decodeNode(path, bytes)
      const node = new Node(data, undefined)
      node.version = version
      node.nextNumber = nextNumber
      tree.#nodes.set(path, node)
    }
    for (const path of saved.keys()) {
      if (path === '/') continue
      // Parents are saved with their first child, and removed after their last: a missing one was lost (invariant 11).
      const parent = tree.#nodes.get(parentPath(path))
      if (parent === undefined) {
        throw new PortalError(
          'CORRUPT',
          `The coordination node ${path} was saved, but the one above it is missing.`,
        )
      }
      parent.addChild(nodeName(path))
    }
    return tree
  }

  read(path: string): CoordinationNode | undefined {
    const node = this.#nodes.get(path)
    return node && { data: node.data, version: node.version, owner: node.owner }
  }

  children(path: string): string[] {
    return this.#nodes.get(path)?.sortedChildren().slice() ?? []
  }

  create(path: string, { data, owner, sequential }: NewNode): string | undefined {
    if (!sequential && this.#nodes.has(path)) return undefined
    const above = parentPath(path)
    const parent = this.#nodes.get(above) ?? this.#makeParent(above)
    if (parent.owner !== undefined) {
      throw new PortalError(
        'INVALID_ARGUMENT',
        `${path} cannot be made: ${above} is ephemeral and has no children.`,
      )
    }
    const made = sequential ? this.#nextPath(path, above, parent) : path
    this.#add(made, above, parent, new Node(data, owner))
    return made
  }

  compareAndSet(path: string, data: Uint8Array, version: number): number | undefined {
    const node = this.#nodes.get(path)
    if (node === undefined || node.version !== version) return undefined
    node.data = data
    node.version++
    this.#changed(path, node)
    return node.version
  }

  delete(path: string, version: number | undefined): boolean {
    const node = this.#nodes.get(path)
    if (node === undefined || node.hasChildren || path === '/') return false
    if (version !== undefined && node.version !== version) return false
    const above = parentPath(path)
    this.#nodes.delete(path)
    this.#nodes.get(above)?.removeChild(nodeName(path))
    this.#changed(path, node)
    this.#touched.add(above)
    if (node.owner !== undefined) this.#owned.get(node.owner)?.delete(path)
    return true
  }

  /** Deletes all ephemeral nodes of a session. */
  deleteOwned(owner: string): void {
    for (const path of this.#owned.get(owner) ?? []) this.delete(path, undefined)
    this.#owned.delete(owner)
  }

  /** What changed since the last call. */
  takeChanges(): TreeChanges {
    const saves = new Map<string, Uint8Array | undefined>()
    for (const path of this.#unsaved) {
      const node = this.#nodes.get(path)
      // An ephemeral node may have taken the place of a persistent one within the same changes.
      saves.set(path, node === undefined || node.owner !== undefined ? undefined : encodeNode(node))
    }
    const touched = this.#touched
    this.#unsaved = new Set()
    this.#touched = new Set()
    return { saves, touched }
  }

  #makeParent(path: string): Node {
    const above = parentPath(path)
    const parent = this.#nodes.get(above) ?? this.#makeParent(above)
    if (parent.owner !== undefined) {
      throw new PortalError(
        'INVALID_ARGUMENT',
        `${path} cannot be made: ${above} is ephemeral and has no children.`,
      )
    }
    return this.#add(path, above, parent, new Node(NO_DATA, undefined))
  }

  #add(path: string, above: string, parent: Node, node: Node): Node {
    this.#nodes.set(path, node)
    parent.addChild(nodeName(path))
    this.#changed(path, node)
    this.#touched.add(above)
    if (node.owner !== undefined) {
      const owned = this.#owned.get(node.owner) ?? new Set()
      this.#owned.set(node.owner, owned.add(path))
    }
    return node
  }

  #nextPath(path: string, above: string, parent: Node): string {
    let made: string
    do made = sequentialPath(path, parent.nextNumber++)
    while (this.#nodes.has(made))
    this.#unsaved.add(above)
    return made
  }

  #changed(path: string, node: Node): void {
    this.#touched.add(path)
    if (node.owner === undefined) this.#unsaved.add(path)
  }
}

const NO_DATA = new Uint8Array(0)

class Node {
  data: Uint8Array
  version = 0
  nextNumber = 0
  readonly owner: string | undefined
  readonly #children = new Set<string>()
  /** Many waiters list the same children between two changes: sorted once for all of them. */
  #sorted: readonly string[] | undefined

  constructor(data: Uint8Array, owner: string | undefined) {
    this.data = data
    this.owner = owner
  }

  get hasChildren(): boolean {
    return this.#children.size > 0
  }

  addChild(name: string): void {
    this.#children.add(name)
    this.#sorted = undefined
  }

  removeChild(name: string): void {
    this.#children.delete(name)
    this.#sorted = undefined
  }

  sortedChildren(): readonly string[] {
    this.#sorted ??= [...this.#children].sort()
    return this.#sorted
  }
}
