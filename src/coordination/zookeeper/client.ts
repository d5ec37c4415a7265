import type { Timers } from '../../runtime/runtime.js'
import { CLOSING, OK } from './codes.js'
import type { NativeAcl, NativeCallback, NativeConstructor, NativeStat, NativeZooKeeper } from './package.js'

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
  /** IP addresses with ports, with commas: names would freeze the event loop while they are resolved. */
  readonly servers: string
  /** Milliseconds. */
  readonly sessionTimeout: number
}

const EPHEMERAL = 1
const SEQUENTIAL = 2
const ANY_VERSION = -1
/** Of an ACL that nobody has set: a node's first. */
const FIRST_ACL = 0
const NO_DATA = new Uint8Array(0)
/** All rights for whoever is authenticated on this session, none for others. */
const CREATOR_ALL: readonly NativeAcl[] = [{ perms: 31, scheme: 'auth', auth: '' }]

/**
 * One session, as calls that never reject and come to an end for certain. They are sent at once and in order, and ZooKeeper answers them in
 * that order. Watches are asked for with the plain flag and heard as events: the package's watch functions leak, and abort the process.
 */
export class ZooKeeperClient {
  readonly #native: NativeZooKeeper
  readonly #timers: Timers
  readonly #pending = new Set<(answer: { readonly code: number }) => void>()
  /** What the package has told and nobody heard yet. */
  #inbox: (() => void)[] = []
  #isOver = false
  #closing: Promise<void> | undefined

  constructor(Native: NativeConstructor, config: ClientConfig, events: ClientEvents, timers: Timers) {
    this.#timers = timers
    this.#native = new Native({
      connect: config.servers,
      timeout: config.sessionTimeout,
      // Quiet: the level is that of the whole process, and its messages go to stdout.
      debug_level: 0,
      host_order_deterministic: false,
      // Counts pieces of a large answer: with its default of 10 a slow link ends the session as if it had expired.
      response_counter_limit: 1_000_000_000,
    })
    const on = (event: string, tell: (detail: unknown) => void) => {
      this.#native.on(event, (_, detail) => this.#deliver(() => void (this.#isOver || tell(detail))))
    }
    on('connect', () => events.connected())
    on('close', (code) => {
      this.#end()
      events.ended(code as number)
    })
    for (const event of ['created', 'changed', 'deleted', 'child']) {
      on(event, (path) => events.changed(path as string))
    }
    this.#native.init({})
  }

  get sessionId(): string {
    return this.#native.client_id
  }

  /** Milliseconds, as granted at the last connect. */
  get timeout(): number {
    return this.#native.timeout
  }

  authenticate(scheme: string, credentials: string): Promise<Answer<void>> {
    return this.#call((done) => this.#native.add_auth(scheme, credentials, done), nothing)
  }

  /** Answered once the server has everything that was committed before the call, at the leader: what is read after it is no old news. */
  sync(path: string): Promise<Answer<void>> {
    return this.#call((done) => this.#native.a_sync(path, done), nothing)
  }

  create(path: string, data: Uint8Array, { ephemeral = false, sequential = false }): Promise<Answer<string>> {
    const flags = (ephemeral ? EPHEMERAL : 0) | (sequential ? SEQUENTIAL : 0)
    return this.#call(
      (done) => this.#native.a_create(path, asBuffer(data), flags, done),
      (made: string) => made,
    )
  }

  get(path: string): Promise<Answer<Node>> {
    return this.#call(
      (done) => this.#native.a_get(path, false, done),
      ({ version, ephemeralOwner }: NativeStat, data: Uint8Array | null) => ({
        // Copied: the package's Buffer is one whose `slice` shares memory.
        data: data === null ? NO_DATA : new Uint8Array(data),
        version,
        owner: ephemeralOwner === '0' ? undefined : ephemeralOwner,
      }),
    )
  }

  children(path: string): Promise<Answer<string[]>> {
    return this.#call(
      (done) => this.#native.a_get_children(path, false, done),
      (names: string[]) => names,
    )
  }

  /** The next change of the node, or of its children, comes as an event. Not awaited: what is read after it sees what came before. */
  watch(path: string): void {
    void this.#call((done) => this.#native.a_exists(path, true, done), nothing)
    void this.#call((done) => this.#native.a_get_children(path, true, done), nothing)
  }

  /** Resolves to the new version. */
  set(path: string, data: Uint8Array, version: number): Promise<Answer<number>> {
    return this.#call(
      (done) => this.#native.a_set(path, asBuffer(data), version, done),
      (stat: NativeStat) => stat.version,
    )
  }

  delete(path: string, version: number = ANY_VERSION): Promise<Answer<void>> {
    return this.#call((done) => this.#native.a_delete_(path, version, done), nothing)
  }

  /** Closes a node to all but this user, unless somebody has set its ACL before: then BAD_VERSION. */
  protect(path: string): Promise<Answer<void>> {
    return this.#call((done) => this.#native.a_set_acl(path, FIRST_ACL, CREATOR_ALL, done), nothing)
  }

  /** Ends the session. What is under way is answered with CLOSING. */
  close(): Promise<void> {
    // Never from within one of its own callbacks: that can abort the process. It blocks until the server has answered, at most for 1.5 s.
    this.#closing ??= new Promise((resolve) => {
      this.#timers.defer(() => {
        const wasOver = this.#isOver
        this.#isOver = true
        if (!wasOver) this.#native.close()
        this.#end()
        resolve()
      })
    })
    return this.#closing
  }

  #call<R extends never[], T>(
    send: (done: NativeCallback) => number,
    pick: (...results: R) => T,
  ): Promise<Answer<T>> {
    return new Promise((resolve) => {
      if (this.#isOver) return resolve({ code: CLOSING })
      const settle = (answer: Answer<T>) => {
        if (this.#pending.delete(settle)) resolve(answer)
      }
      this.#pending.add(settle)
      const code = send((code, _text, ...results) => {
        const answer: Answer<T> = code === OK ? { code: 0, value: pick(...(results as R)) } : { code }
        this.#deliver(() => settle(answer))
      })
      if (code < OK) settle({ code })
    })
  }

  /**
   * Tells in the same turn of the event loop, but not from within the package: when it has lost a connection it closes its socket, tells, and only
   * then takes the socket out of the event loop. A socket that is opened in between gets the same number, and never hears anything.
   */
  #deliver(tell: () => void): void {
    this.#inbox.push(tell)
    if (this.#inbox.length > 1) return
    this.#timers.defer(() => {
      const inbox = this.#inbox
      this.#inbox = []
      for (const each of inbox) each()
    })
  }

  #end(): void {
    this.#isOver = true
    for (const settle of [...this.#pending]) settle({ code: CLOSING })
  }
}

function nothing(): void {}

/** The package takes Buffers; it copies what it is given before it returns. */
function asBuffer(data: Uint8Array): Uint8Array {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
