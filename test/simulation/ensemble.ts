import { NodeTree } from '../../src/coordination/node-tree.js'
import type { Scheduler } from './scheduler.js'

/** What a client asked for: a change, or a look. The same on every replica. */
export type Operation<T> = (nodes: NodeTree) => T

/** How many servers there are to connect to. */
const REPLICAS = 3

/** One server: what it has heard of so far can be read there. */
export class Replica {
  readonly nodes = new NodeTree()
  /** How many changes it has applied. */
  applied = 0
  /** Called with the paths that a change touched, once they can be read. */
  readonly watchers = new Set<(touched: ReadonlySet<string>) => void>()
}

/** A session as the service knows it. */
export interface ServerSession {
  readonly id: string
  /** Of which machine. */
  readonly client: string
  readonly timeout: number
  heardAt: number
  isOver: boolean
  /** Called when the service ends it. */
  expired(): void
}

/**
 * A coordination service as ZooKeeper is one: writes go through one place, in one order; servers follow it, some later than
 * others, and reads are answered by the server that a session is connected to. A session may begin at one that is behind, which in ZooKeeper only
 * local ones do. Sessions that were silent for too long end.
 */
export class Ensemble {
  readonly faults = {
    /** Most milliseconds that a server lags behind. */
    lag: 0,
  }
  readonly replicas: readonly Replica[]
  /** The truth: what was written. For auditors. */
  readonly truth = new NodeTree()
  /** Called with the paths that a write touched. */
  readonly observers: ((touched: ReadonlySet<string>) => void)[] = []
  readonly #scheduler: Scheduler
  readonly #changes: Operation<unknown>[] = []
  readonly #sessions = new Set<ServerSession>()
  #opened = 0
  #isAway = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.replicas = Array.from({ length: REPLICAS }, () => new Replica())
  }

  /** How many changes were made. */
  get written(): number {
    return this.#changes.length
  }

  /** It has no majority: nobody is served, and nobody's session ends. */
  get away(): boolean {
    return this.#isAway
  }

  leave(): void {
    this.#isAway = true
  }

  comeBack(): void {
    this.#isAway = false
    for (const session of this.#sessions) session.heardAt = this.#scheduler.now
  }

  open(client: string, timeout: number, expired: () => void): ServerSession {
    const id = `session-${++this.#opened}`
    const session: ServerSession = {
      id,
      client,
      timeout,
      expired,
      heardAt: this.#scheduler.now,
      isOver: false,
    }
    this.#sessions.add(session)
    this.#watchSilence(session)
    return session
  }

  end(session: ServerSession): void {
    if (session.isOver) return
    session.isOver = true
    this.#sessions.delete(session)
    // Changes are kept: they hold nothing of a process that is gone.
    const { id } = session
    this.write((nodes) => nodes.deleteOwned(id))
  }

  /** Ends it as if nothing had been heard of it. */
  expire(session: ServerSession): void {
    if (session.isOver) return
    this.end(session)
    session.expired()
  }

  /** The same for all of a machine. */
  expireAll(client: string): void {
    for (const session of [...this.#sessions]) if (session.client === client) this.expire(session)
  }

  /** Applies a change for good, and throws what it throws. The servers learn of it later; `at` does at once. */
  write<T>(change: Operation<T>, at?: Replica): T {
    this.#changes.push(change)
    let result: { readonly value: T } | { readonly error: unknown }
    try {
      result = { value: change(this.truth) }
    } catch (error) {
      result = { error }
    }
    const { touched } = this.truth.takeChanges()
    try {
      for (const observer of this.observers) observer(touched)
    } catch (error) {
      // Whoever wrote has no part in it.
      this.#scheduler.fail(error)
    }
    for (const replica of this.replicas) {
      const lag = replica === at ? 0 : this.#scheduler.random() * this.faults.lag
      if (lag === 0) this.catchUp(replica, this.written)
      else {
        const goal = this.written
        this.#scheduler.after(lag, () => this.catchUp(replica, goal))
      }
    }
    if ('error' in result) throw result.error
    return result.value
  }

  /** Brings a server up to the first `goal` changes. */
  catchUp(replica: Replica, goal: number): void {
    while (replica.applied < goal) {
      const change = this.#changes[replica.applied++]!
      try {
        change(replica.nodes)
      } catch {
        // It was refused everywhere.
      }
      const { touched } = replica.nodes.takeChanges()
      if (touched.size > 0) for (const watcher of [...replica.watchers]) watcher(touched)
    }
  }

  #watchSilence(session: ServerSession): void {
    const left = session.heardAt + session.timeout - this.#scheduler.now
    this.#scheduler.after(this.#isAway ? session.timeout : Math.max(1, left), () => {
      if (session.isOver) return
      if (!this.#isAway && this.#scheduler.now >= session.heardAt + session.timeout) this.expire(session)
      else this.#watchSilence(session)
    })
  }
}
