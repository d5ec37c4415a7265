import { PortalError } from '../../core/errors.js'
import { onAbort } from '../../runtime/on-abort.js'
import type { Timers } from '../../runtime/runtime.js'
import type {
  CoordinationNode,
  CoordinationSession,
  CoordinationStore,
  CreateNodeOptions,
} from '../coordination.js'
import { nodeData } from '../node-data.js'
import { checkPath } from '../paths.js'
import { Watchers } from '../watchers.js'
import type { Answer, ZooKeeperClient } from './client.js'
import { BAD_VERSION, failed, NO_NODE, NOT_EMPTY, OK } from './codes.js'
import { NodeMaker } from './node-maker.js'
import type { ZooKeeperSession } from './session.js'

export interface StoreParts {
  readonly client: ZooKeeperClient
  readonly session: ZooKeeperSession
  /** The node that is this store's "/". */
  readonly root: string
  readonly timers: Timers
}

/** ZooKeeper counts versions in 32 bits, and takes -1 for "any". */
const MAX_VERSION = 2 ** 31 - 1
/** The share of the session timeout that calls under way get to end when the store is closed. */
const CLOSING = 1 / 3

/** A session on ZooKeeper as a CoordinationStore. Whether a call was applied that failed with DISCONNECTED nobody can tell: it is not repeated. */
export class ZooKeeperStore implements CoordinationStore {
  readonly #client: ZooKeeperClient
  readonly #session: ZooKeeperSession
  readonly #root: string
  readonly #maker: NodeMaker
  readonly #timers: Timers
  readonly #watchers = new Watchers()
  readonly #underWay = new Set<Promise<unknown>>()
  #sync: Promise<Answer<void>> | undefined
  #closed: Promise<void> | undefined

  constructor({ client, session, root, timers }: StoreParts) {
    this.#client = client
    this.#session = session
    this.#root = root
    this.#maker = new NodeMaker(client, root)
    this.#timers = timers
    onAbort(session.lost, () => this.#abandon())
  }

  get session(): CoordinationSession {
    return this.#session
  }

  async create(path: string, data: Uint8Array, options: CreateNodeOptions = {}): Promise<string | undefined> {
    this.#check(path, 'node')
    const bytes = nodeData(path, data)
    const asked = options.sequential ? `${path}-` : path
    const made = await this.#track(this.#maker.create(this.#absolute(asked), bytes, options))
    return made === undefined ? undefined : this.#relative(made)
  }

  async read(path: string): Promise<CoordinationNode | undefined> {
    this.#check(path)
    const answer = await this.#fresh((client) => client.get(this.#absolute(path)))
    if (answer.code === OK) return answer.value
    if (answer.code === NO_NODE) return undefined
    throw failed(`read the node ${path}`, answer.code)
  }

  async compareAndSet(path: string, data: Uint8Array, version: number): Promise<number | undefined> {
    this.#check(path, 'node')
    const bytes = nodeData(path, data)
    if (!isVersion(version)) return undefined
    const answer = await this.#track(this.#client.set(this.#absolute(path), bytes, version))
    if (answer.code === OK) return answer.value
    if (answer.code === NO_NODE || answer.code === BAD_VERSION) return undefined
    throw failed(`write the node ${path}`, answer.code)
  }

  async delete(path: string, version?: number): Promise<boolean> {
    this.#check(path, 'node')
    if (version !== undefined && !isVersion(version)) return false
    const absolute = this.#absolute(path)
    const { code } = await this.#track(this.#client.delete(absolute, version))
    this.#maker.forget(absolute)
    if (code === OK) return true
    if (code === NO_NODE || code === NOT_EMPTY || code === BAD_VERSION) return false
    throw failed(`delete the node ${path}`, code)
  }

  async children(path: string): Promise<string[]> {
    this.#check(path)
    const answer = await this.#fresh((client) => client.children(this.#absolute(path)))
    if (answer.code === OK) return (answer.value ?? []).sort()
    if (answer.code === NO_NODE) return []
    throw failed(`list the children of ${path}`, answer.code)
  }

  watch(path: string, listener: () => void): () => void {
    this.#check(path)
    if (!this.#watchers.has(path)) this.#client.watch(this.#absolute(path))
    return this.#watchers.add(path, listener)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** The node, or its children, changed: a watch on ZooKeeper tells once. */
  changed(absolute: string): void {
    const path = this.#relative(absolute)
    if (this.#watchers.has(path)) this.#watch(path)
  }

  /** A new connection: a watch that was asked for on the old one may not be there, and what happened meanwhile may not be told. */
  reconnected(): void {
    for (const path of this.#watchers.paths()) this.#watch(path)
  }

  /** Armed first: what the watchers then read is not older. */
  #watch(path: string): void {
    this.#client.watch(this.#absolute(path))
    this.#watchers.call(path)
  }

  /**
   * Reads what is committed, as of the call: the server is first brought up to the leader. All reads of one turn share that. Without it a
   * write whose answer was lost, and which a slow server has not seen, would pass for one that was never made.
   */
  async #fresh<T>(read: (client: ZooKeeperClient) => Promise<Answer<T>>): Promise<Answer<T>> {
    if (this.#sync === undefined) {
      this.#sync = this.#client.sync(this.#root)
      queueMicrotask(() => {
        this.#sync = undefined
      })
    }
    const [synced, answer] = await this.#track(Promise.all([this.#sync, read(this.#client)]))
    return synced.code === OK ? answer : { code: synced.code }
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    try {
      return await work
    } finally {
      this.#underWay.delete(work)
    }
  }

  async #close(): Promise<void> {
    if (!this.#session.lost.aborted) {
      await this.#settled()
      this.#session.stop()
      this.#watchers.clear()
    }
    await this.#client.close()
  }

  /** Waits for what was called before, but not for a server that is away. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#timers.setTimeout(resolve, this.#session.timeout * CLOSING)
      const onEnd = () => {
        timer.cancel()
        resolve()
      }
      const forget = onAbort(this.#session.lost, onEnd)
      void Promise.allSettled([...this.#underWay])
        .then(onEnd)
        .then(forget)
    })
  }

  #abandon(): void {
    this.#watchers.clear()
    void this.#client.close()
  }

  #absolute(path: string): string {
    return path === '/' ? this.#root : this.#root + path
  }

  #relative(absolute: string): string {
    return absolute.slice(this.#root.length) || '/'
  }

  #check(path: string, kind?: 'node'): void {
    if (this.#closed !== undefined) {
      throw new PortalError('CLOSED', `The ZooKeeper session ${this.#session.id} is closed.`)
    }
    if (this.#session.lost.aborted) {
      throw new PortalError('CLOSED', `The ZooKeeper session ${this.#session.id} was lost.`, {
        cause: this.#session.lost.reason,
      })
    }
    checkPath(path)
    if (kind === 'node' && path === '/') {
      throw new PortalError('INVALID_ARGUMENT', 'The root "/" of a coordination store cannot be written.')
    }
  }
}

function isVersion(version: number): boolean {
  return Number.isInteger(version) && version >= 0 && version <= MAX_VERSION
}
