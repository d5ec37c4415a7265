import { isPortalError, PortalError } from '../core/errors.js'
import type { CoordinationStore, NodePersistence } from './coordination.js'
import { NodeTree } from './node-tree.js'
import { TreeSession } from './tree-session.js'
import { TreeStore } from './tree-store.js'

/**
 * A coordination tree in this process that several sessions share: a broker's own has one, tests of the recipes have many.
 *
 * All operations of all sessions form one queue. What is waiting is applied together, saved as one, and only then
 * answered and shown to watchers (group commit). As reads wait in the same queue, nobody ever sees what is not saved.
 */
export class CoordinationTree {
  readonly #nodes: NodeTree
  readonly #persistence: NodePersistence
  readonly #sessions = new Set<TreeSession>()
  #waiting: Operation[] = []
  #running = false
  #failure: PortalError | undefined
  #connections = 0

  private constructor(nodes: NodeTree, persistence: NodePersistence) {
    this.#nodes = nodes
    this.#persistence = persistence
  }

  static async open(persistence: NodePersistence): Promise<CoordinationTree> {
    return new CoordinationTree(NodeTree.load(await persistence.load()), persistence)
  }

  /** A new session. Its id need not differ from those before a restart: ephemeral nodes do not outlive the tree. */
  connect(): CoordinationStore {
    const session = new TreeSession(`session-${++this.#connections}`)
    if (this.#failure === undefined) this.#sessions.add(session)
    else session.lose(this.#failure)
    return new TreeStore(session, {
      submit: (apply) => this.#submit(session, apply),
      end: () => this.#end(session),
    })
  }

  /** Ends a store's session as a coordination service does that has not heard from it: without asking. For tests. */
  async expire(store: CoordinationStore): Promise<void> {
    for (const session of this.#sessions) {
      if (session.id !== store.session.id) continue
      const reason = new PortalError('DISCONNECTED', `The coordination ${session.id} has expired.`)
      session.refuse(reason)
      await this.#end(session)
      session.lose(reason)
    }
  }

  #submit<T>(session: TreeSession, apply: (nodes: NodeTree) => T): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ session, apply, resolve: resolve as (value: unknown) => void, reject })
      if (this.#running) return
      this.#running = true
      // Whatever this turn still asks for goes into the same save.
      queueMicrotask(() => void this.#run())
    })
  }

  /** Removes what ends with the session, after everything that it called before. */
  async #end(session: TreeSession): Promise<void> {
    if (!this.#sessions.delete(session)) return
    // After a failure there is nothing left to tell anyone, and nothing of it was saved.
    await this.#submit(SYSTEM, (nodes) => nodes.deleteOwned(session.id)).catch(() => undefined)
    session.stopWatching()
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && this.#failure === undefined) {
      const batch = this.#waiting
      this.#waiting = []
      const answers = batch.map((operation) => this.#apply(operation))
      const { saves, touched } = this.#nodes.takeChanges()
      try {
        if (saves.size > 0) await this.#persistence.save(saves)
      } catch (error) {
        this.#fail(error, batch)
        break
      }
      for (const answer of answers) answer()
      for (const session of [...this.#sessions]) session.notify(touched)
    }
    this.#running = false
  }

  /** Applies one operation; its caller hears of it when the returned function is called. */
  #apply({ session, apply, resolve, reject }: Operation): () => void {
    if (session.refusal !== undefined) {
      const refusal = session.refusal
      return () => reject(refusal)
    }
    try {
      const result = apply(this.#nodes)
      return () => resolve(result)
    } catch (error) {
      return () => reject(error)
    }
  }

  /** A save that failed may or may not be on the disk: nothing is acknowledged from here on (invariant 13). */
  #fail(cause: unknown, batch: readonly Operation[]): void {
    const failure = isPortalError(cause)
      ? cause
      : new PortalError(
          'STORAGE_FAILED',
          'The coordination nodes could not be saved; the broker must be opened again.',
          {
            cause,
          },
        )
    this.#failure = failure
    for (const { reject } of [...batch, ...this.#waiting]) reject(failure)
    this.#waiting = []
    for (const session of this.#sessions) session.lose(failure)
    this.#sessions.clear()
  }
}

interface Operation {
  readonly session: TreeSession
  readonly apply: (nodes: NodeTree) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Whom operations belong to that nobody may refuse. */
const SYSTEM = new TreeSession('system')
