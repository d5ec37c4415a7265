/**
 * The store that brokers agree through: a small tree of versioned nodes, with sessions and watches.
 *
 * An adapter MUST
 * - make every operation atomic, and writes linearisable per node; what a session reads may be behind others' writes, not behind what it has read or
 *   what was there when a write of its own was done, though it changed nothing; `version` starts at 0 and rises by one with each change;
 * - reject with DISCONNECTED when it cannot tell whether an operation was applied: callers treat that as "unknown";
 * - remove a session's ephemeral nodes when the session ends, and only then;
 * - give sequential nodes numbers that rise for as long as their parent exists, across restarts too;
 * - keep persistent nodes across restarts, fsynced before the operation resolves (an adapter in memory alone: for its
 *   own life);
 * - call watchers after a change is readable, at least once for any number of changes between two reads; a change that a read
 *   called after `watch` does not show is one that the watcher is called for.
 *
 * An adapter MUST NOT retry a write by itself, or keep a process alive after `close()`.
 *
 * Paths are absolute, `/a/b`, without an empty, `.` or `..` part. A node's parents are made with it, as empty
 * persistent nodes. What changes together lives in one node: there is no multi-node transaction.
 */
export interface CoordinationStore {
  readonly session: CoordinationSession

  /**
   * Makes a node and resolves to its path (a sequential one ends in `-` and ten digits), or to undefined if there is
   * one already.
   */
  create(path: string, data: Uint8Array, options?: CreateNodeOptions): Promise<string | undefined>

  /** The node, or undefined if there is none. */
  read(path: string): Promise<CoordinationNode | undefined>

  /** Writes `data` if the node's version is `version`; resolves to the new version, or undefined if it was another or gone. */
  compareAndSet(path: string, data: Uint8Array, version: number): Promise<number | undefined>

  /** Removes a node without children, if its version is `version` (undefined: any). Resolves to whether it did. */
  delete(path: string, version?: number): Promise<boolean>

  /** The names (last path parts) of a node's children, sorted; empty if there is no such node. */
  children(path: string): Promise<string[]>

  /**
   * Calls `listener` when the node is made, changed or deleted, or its children come or go; perhaps without a reason after the
   * connection was lost. Arm first, read then. Returns what stops it.
   */
  watch(path: string, listener: () => void): () => void

  /**
   * Ends the session, after what was called before; its ephemeral nodes are gone soon after. May be called twice; other calls then
   * reject with CLOSED.
   */
  close(): Promise<void>
}

export interface CreateNodeOptions {
  /** Removed when the session that made it ends. @default false */
  readonly ephemeral?: boolean | undefined
  /** The path gets `-` and a rising number of ten digits. @default false */
  readonly sequential?: boolean | undefined
}

export interface CoordinationNode {
  readonly data: Uint8Array
  readonly version: number
  /** The id of the session that an ephemeral node ends with. */
  readonly owner: string | undefined
}

export interface CoordinationSession {
  readonly id: string
  /**
   * Aborts when the session is lost for good, or must be taken for lost: its ephemeral nodes may be gone. From then on calls reject with
   * CLOSED; those under way with DISCONNECTED. Whoever goes on needs a new store from the adapter.
   */
  readonly lost: AbortSignal
  /** How long the session outlives its connection, in milliseconds. Infinity: it ends with the process. */
  readonly timeout: number
  /**
   * The instant on the monotonic clock until which the session is certainly alive, so that nobody else has what depends on it. Look at the
   * clock and at this in one turn, right before what must not be done without a session. -Infinity once it is lost.
   */
  leaseUntil(): number
}

/** What makes the store for a broker. `persistence` is the broker's own database, for stores that have none. */
export type CoordinationAdapter = (host: CoordinationHost) => Promise<CoordinationStore>

export interface CoordinationHost {
  readonly persistence: NodePersistence
}

/** Where an in-process store keeps its persistent nodes: the broker's database. */
export interface NodePersistence {
  load(): Promise<Map<string, Uint8Array>>
  /** Writes all changes as one; `undefined` removes. Resolves when they are fsynced. */
  save(changes: ReadonlyMap<string, Uint8Array | undefined>): Promise<void>
}
