import type {
  CoordinationNode,
  CoordinationSession,
  CoordinationStore,
  CreateNodeOptions,
} from '../../src/coordination/coordination.js'
import { nodeData } from '../../src/coordination/node-data.js'
import { checkPath } from '../../src/coordination/paths.js'
import { PortalError } from '../../src/core/errors.js'
import { CoordinationConnection, type CoordinationLink } from './coordination-connection.js'
import type { Ensemble, Operation } from './ensemble.js'
import type { Life } from './life.js'
import type { Scheduler } from './scheduler.js'

export interface SessionParts {
  readonly scheduler: Scheduler
  readonly ensemble: Ensemble
  readonly link: CoordinationLink
  /** Whose session it is. */
  readonly life: Life
  /** Milliseconds of silence after which the service ends it. */
  readonly timeout: number
}

interface Watcher {
  readonly path: string
  readonly listener: () => void
  /** The server knows of it. */
  isArmed: boolean
}

/** Opens a session; DISCONNECTED if the service cannot be reached within its timeout. */
export async function connectCoordination(parts: SessionParts): Promise<SimulatedCoordination> {
  const store = new SimulatedCoordination(parts)
  await store.opened
  return store
}

/** A session of the simulated service, as a client of ZooKeeper sees it. */
export class SimulatedCoordination implements CoordinationStore {
  readonly session: CoordinationSession
  readonly opened: Promise<void>
  readonly #connection: CoordinationConnection
  readonly #watchers = new Set<Watcher>()
  readonly #loss = new AbortController()
  #closed: Promise<void> | undefined

  constructor(parts: SessionParts) {
    this.#connection = new CoordinationConnection({
      ...parts,
      touched: (paths) => this.#touched(paths),
      reconnected: () =>
        this.#fire([...this.#watchers].map((watcher) => Object.assign(watcher, { isArmed: true }))),
      lost: (reason) => {
        this.#watchers.clear()
        this.#loss.abort(reason)
      },
    })
    this.opened = this.#connection.open()
    const connection = this.#connection
    this.session = {
      get id() {
        return connection.sessionId
      },
      lost: this.#loss.signal,
      timeout: parts.timeout,
      leaseUntil: () => connection.leaseUntil,
    }
  }

  async create(path: string, data: Uint8Array, options: CreateNodeOptions = {}): Promise<string | undefined> {
    this.#check(path, 'node')
    const { ephemeral, sequential = false } = options
    const owner = ephemeral ? this.session.id : undefined
    const node = { data: nodeData(path, data), owner, sequential }
    return this.#write((nodes) => nodes.create(path, node))
  }

  async read(path: string): Promise<CoordinationNode | undefined> {
    this.#check(path)
    return this.#connection.call('read', (nodes) => nodes.read(path))
  }

  async compareAndSet(path: string, data: Uint8Array, version: number): Promise<number | undefined> {
    this.#check(path, 'node')
    const copy = nodeData(path, data)
    return this.#write((nodes) => nodes.compareAndSet(path, copy, version))
  }

  async delete(path: string, version?: number): Promise<boolean> {
    this.#check(path, 'node')
    return this.#write((nodes) => nodes.delete(path, version))
  }

  async children(path: string): Promise<string[]> {
    this.#check(path)
    return this.#connection.call('read', (nodes) => nodes.children(path))
  }

  watch(path: string, listener: () => void): () => void {
    this.#check(path)
    const watcher: Watcher = { path, listener, isArmed: false }
    this.#watchers.add(watcher)
    this.#connection.tell(() => {
      watcher.isArmed = true
    })
    return () => this.#watchers.delete(watcher)
  }

  close(): Promise<void> {
    this.#closed ??= this.#connection.close().then(() => this.#watchers.clear())
    return this.#closed
  }

  #write<T>(change: Operation<T>): Promise<T> {
    return this.#connection.call('write', change)
  }

  /** A server has applied a change: whoever watches hears of it, late, and once for several. */
  #touched(paths: ReadonlySet<string>): void {
    const heard = [...this.#watchers].filter(({ path, isArmed }) => isArmed && paths.has(path))
    if (heard.length > 0) this.#connection.notifyLater(heard, (watchers) => this.#fire(watchers))
  }

  #fire(watchers: Iterable<Watcher>): void {
    for (const watcher of watchers) {
      // One called before it may have stopped this one.
      if (!this.#watchers.has(watcher)) continue
      try {
        watcher.listener()
      } catch {
        // As in every store: it must not keep the others from hearing.
      }
    }
  }

  #check(path: string, kind?: 'node'): void {
    if (this.#closed !== undefined) throw new PortalError('CLOSED', 'The simulated coordination is closed.')
    if (this.#loss.signal.aborted) {
      const cause = this.#loss.signal.reason
      throw new PortalError('CLOSED', 'The simulated coordination was lost.', { cause })
    }
    checkPath(path)
    if (kind === 'node' && path === '/')
      throw new PortalError('INVALID_ARGUMENT', 'The root "/" of a coordination store cannot be written.')
  }
}
