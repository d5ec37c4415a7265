import type { Clock, Random, Timers } from '../../runtime/runtime.js'
import type { ServerAddress } from './connection-string.js'

/** What came of a call: ZooKeeper's code, and its result if that is OK. */
export type Answer<T> =
  | { readonly code: 0; readonly value: T }
  | { readonly code: number; readonly value?: undefined }

export interface Node {
  readonly data: Uint8Array
  readonly version: number
  /** The session of an ephemeral node. */
  readonly owner: string | undefined
}

export interface ClientEvents {
  /** A session was made, or goes on over a new connection. */
  connected(): void
  /** The session is over, by the server's word; the client is of no use any more. */
  ended(code: number): void
  /** The node was made, changed or deleted, or its children came or went, since it was watched. */
  changed(path: string): void
}

export interface ClientConfig {
  /** Those of this moment: at least one. */
  readonly addresses: readonly ServerAddress[]
  /** The addresses of a later moment. */
  readonly resolve: () => Promise<readonly ServerAddress[]>
  /** Milliseconds. */
  readonly sessionTimeout: number
  /** `user:password`. What is made is then closed to others. */
  readonly digest: string | undefined
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

export interface CreateOptions {
  readonly ephemeral?: boolean | undefined
  readonly sequential?: boolean | undefined
  /** Open to everybody, whoever this is. */
  readonly open?: boolean | undefined
}

/**
 * One session over as many connections as it takes: all that the adapter needs of ZooKeeper. It connects when it is made. Calls never reject, and
 * come to an end for certain: they are sent at once and in order, and answered in that order. Its events, and its answers, are told from the event
 * loop, never from within a call.
 */
export interface ZooKeeperClient {
  readonly sessionId: string
  /** Milliseconds, as granted at the last connect. */
  readonly timeout: number
  /** Answered once the server has everything that was committed before the call, at the leader: what is read after it is no old news. */
  sync(path: string): Promise<Answer<void>>
  /** Resolves to the path of the node: a sequential one has a number added. */
  create(path: string, data: Uint8Array, options: CreateOptions): Promise<Answer<string>>
  get(path: string): Promise<Answer<Node>>
  children(path: string): Promise<Answer<string[]>>
  /** The next change of the node, or of its children, comes as an event. Not awaited: what is read after it sees what came before. */
  watch(path: string): void
  /** Resolves to the new version. */
  set(path: string, data: Uint8Array, version: number): Promise<Answer<number>>
  /** Whatever its version, if none is given. */
  delete(path: string, version?: number): Promise<Answer<void>>
  /** Closes a node to all but this user, unless somebody has set its ACL before: then BAD_VERSION. */
  protect(path: string): Promise<Answer<void>>
  /** Ends the session, and resolves when the server has done so, or could not be told. What is under way is answered with CLOSING. */
  close(): Promise<void>
}
