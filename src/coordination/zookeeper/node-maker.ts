import { PortalError } from '../../core/errors.js'
import type { CreateNodeOptions } from '../coordination.js'
import { parentPath } from '../paths.js'
import type { Answer, ZooKeeperClient } from './client.js'
import { BAD_VERSION, CLOSING, failed, isUndecided, NO_NODE, NODE_EXISTS, OK } from './codes.js'

/** Each loses its parents to another who removes them at that moment. */
const MAX_ATTEMPTS = 100
/** Each ends with a lost connection; the next waits for a new one. */
const MAX_REPEATS = 10
/** Bounds what is remembered. */
const MAX_KNOWN = 10_000

const NO_DATA = new Uint8Array(0)

/**
 * Makes nodes with the parents that are missing, and closes them to other users where that was asked for. Paths are those on the server;
 * `root` is there, and nothing above it is made.
 */
export class NodeMaker {
  readonly #client: ZooKeeperClient
  readonly #root: string
  readonly #isProtected: boolean
  /** Parents that were there: not asked for again until one turns out to be gone. */
  readonly #known: Set<string>

  constructor(client: ZooKeeperClient, root: string, isProtected: boolean) {
    this.#client = client
    this.#root = root
    this.#isProtected = isProtected
    this.#known = new Set([root])
  }

  /** The path of the node made, or undefined if there is one. */
  async create(path: string, data: Uint8Array, options: CreateNodeOptions): Promise<string | undefined> {
    // Parents that may be missing go ahead of the node in the same pipeline: calls are applied in their order also then.
    for (const parent of this.#unknownParents(path)) void this.#makeParent(parent)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const answer = await this.#make(path, data, options)
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
    const answer = await this.#make(path, NO_DATA, {})
    if (answer.code === OK || answer.code === NODE_EXISTS) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear()
      this.#known.add(path)
    }
    return answer
  }

  /** From the highest down. */
  #unknownParents(path: string): string[] {
    const parents: string[] = []
    for (
      let above = parentPath(path);
      above !== this.#root && !this.#known.has(above);
      above = parentPath(above)
    ) {
      parents.unshift(above)
    }
    return parents
  }

  async #make(path: string, data: Uint8Array, options: CreateNodeOptions): Promise<Answer<string>> {
    const created = this.#client.create(path, data, {
      ephemeral: options.ephemeral ?? false,
      sequential: options.sequential ?? false,
    })
    if (!this.#isProtected) return created
    // The package cannot make a node with an ACL: it is set right behind. A sequential node's path is known only then.
    const sent = options.sequential ? undefined : this.#client.protect(path)
    const answer = await created
    if (answer.value !== undefined) await this.#protect(answer.value, sent)
    else if (isUndecided(answer.code)) void this.#protectUndecided(path, options)
    return answer
  }

  /** Again after a lost connection: to set it twice does nothing, and an open node must not be left behind. */
  async #protect(path: string, sent: Promise<Answer<void>> | undefined): Promise<void> {
    const answer = await repeated((attempt) => (attempt === 0 && sent) || this.#client.protect(path))
    // Set before, or removed by another at once: nothing to do.
    if (answer.code === OK || answer.code === BAD_VERSION || answer.code === NO_NODE) return
    throw failed(`close the node ${path} to other users`, answer.code)
  }

  /** The node may be there, and open. Asked for before its maker hears that nobody knows, so before whatever that one asks then. */
  async #protectUndecided(path: string, { sequential }: CreateNodeOptions): Promise<void> {
    if (!sequential) return void (await repeated(() => this.#client.protect(path)))
    const parent = parentPath(path)
    const names = (await repeated(() => this.#client.children(parent))).value ?? []
    const candidates = names.map((name) => `${parent}/${name}`).filter((each) => each.startsWith(path))
    await Promise.all(candidates.map((each) => repeated(() => this.#client.protect(each))))
  }
}

/** What may be done twice, until there is an answer or none can come. */
async function repeated<T>(call: (attempt: number) => Promise<Answer<T>>): Promise<Answer<T>> {
  for (let attempt = 0; ; attempt++) {
    const answer = await call(attempt)
    if (!isUndecided(answer.code) || answer.code === CLOSING || attempt === MAX_REPEATS) return answer
  }
}
