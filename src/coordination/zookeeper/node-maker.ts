import { PortalError } from '../../core/errors.js'
import type { CreateNodeOptions } from '../coordination.js'
import { parentPath } from '../paths.js'
import type { Answer, ZooKeeperClient } from './client.js'
import { failed, NO_NODE, NODE_EXISTS, OK } from './codes.js'

/** Each loses its parents to another who removes them at that moment. */
const MAX_ATTEMPTS = 100
/** Bounds what is remembered. */
const MAX_KNOWN = 10_000

const NO_DATA = new Uint8Array(0)

/** Makes nodes with the parents that are missing. Paths are those on the server; `root` is there, and nothing above it is made. */
export class NodeMaker {
  readonly #client: ZooKeeperClient
  readonly #root: string
  /** Parents that were there: not asked for again until one turns out to be gone. */
  readonly #known: Set<string>

  constructor(client: ZooKeeperClient, root: string) {
    this.#client = client
    this.#root = root
    this.#known = new Set([root])
  }

  /** The path of the node made, or undefined if there is one. */
  async create(path: string, data: Uint8Array, options: CreateNodeOptions): Promise<string | undefined> {
    // Parents that may be missing go ahead of the node in the same pipeline: calls are applied in their order also then.
    for (const parent of this.#unknownParents(path)) void this.#makeParent(parent)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const answer = await this.#client.create(path, data, options)
      if (answer.code === OK) return answer.value
      if (answer.code === NODE_EXISTS) return undefined
      if (answer.code !== NO_NODE) throw failed(`make the node ${path}`, answer.code)
      this.#known.clear()
      for (const parent of this.#unknownParents(path)) {
        const { code } = await this.#makeParent(parent)
        if (code !== OK && code !== NODE_EXISTS && code !== NO_NODE) {
          throw failed(`make the node ${parent}, which ${path} needs`, code)
        }
      }
    }
    throw new PortalError(
      'TIMEOUT',
      `The nodes above ${path} on ZooKeeper were removed ${MAX_ATTEMPTS} times in a row: try again.`,
    )
  }

  /** The node was removed: as a parent it is to be made again. */
  forget(path: string): void {
    this.#known.delete(path)
  }

  async #makeParent(path: string): Promise<Answer<string>> {
    const answer = await this.#client.create(path, NO_DATA, {})
    if (answer.code === OK || answer.code === NODE_EXISTS) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear()
      this.#known.add(path)
    }
    return answer
  }

  /** From the highest down. */
  #unknownParents(path: string): string[] {
    const parents: string[] = []
    for (let above = parentPath(path); this.#isUnknown(above); above = parentPath(above))
      parents.unshift(above)
    return parents
  }

  #isUnknown(path: string): boolean {
    return path !== this.#root && !this.#known.has(path)
  }
}
