import type { Timers } from '../../runtime/runtime.js'
import type { Answer, ClientConfig, ClientEvents, CreateOptions, Node, ZooKeeperClient } from './client.js'
import { CLOSING, OK, UNIMPLEMENTED } from './codes.js'
import { serverName } from './connection-string.js'
import type { NativeCallback, NativeConstructor, NativeStat, NativeZooKeeper } from './package.js'

const EPHEMERAL = 1
const SEQUENTIAL = 2
const ANY_VERSION = -1
const NO_DATA = new Uint8Array(0)

/**
 * The client by the package `zookeeper`. Watches are asked for with the plain flag and heard as events: the package's watch functions leak, and
 * abort the process. It keeps to the addresses of its beginning: IP addresses, as names would freeze the event loop while they are resolved.
 *
 * A connection that is cut while calls are under way may abort the process (test/cluster/package-client.test.ts): nothing here can prevent that.
 */
export class PackageClient implements ZooKeeperClient {
  readonly #native: NativeZooKeeper
  readonly #timers: Timers
  readonly #pending = new Set<(answer: { readonly code: number }) => void>()
  /** What the package has told and nobody heard yet. */
  #inbox: (() => void)[] = []
  #isOver = false
  #closing: Promise<void> | undefined

  constructor(Native: NativeConstructor, config: ClientConfig, events: ClientEvents) {
    this.#timers = config.timers
    this.#native = new Native({
      connect: config.addresses.map(serverName).join(','),
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
    return sessionName(this.#native.client_id)
  }

  get timeout(): number {
    return this.#native.timeout
  }

  sync(path: string): Promise<Answer<void>> {
    return this.#call((done) => this.#native.a_sync(path, done), nothing)
  }

  create(path: string, data: Uint8Array, options: CreateOptions): Promise<Answer<string>> {
    const flags = (options.ephemeral ? EPHEMERAL : 0) | (options.sequential ? SEQUENTIAL : 0)
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
        owner: ephemeralOwner === '0' ? undefined : sessionName(ephemeralOwner),
      }),
    )
  }

  children(path: string): Promise<Answer<string[]>> {
    return this.#call(
      (done) => this.#native.a_get_children(path, false, done),
      (names: string[]) => names,
    )
  }

  watch(path: string): void {
    void this.#call((done) => this.#native.a_exists(path, true, done), nothing)
    void this.#call((done) => this.#native.a_get_children(path, true, done), nothing)
  }

  set(path: string, data: Uint8Array, version: number): Promise<Answer<number>> {
    return this.#call(
      (done) => this.#native.a_set(path, asBuffer(data), version, done),
      (stat: NativeStat) => stat.version,
    )
  }

  delete(path: string, version: number = ANY_VERSION): Promise<Answer<void>> {
    return this.#call((done) => this.#native.a_delete_(path, version, done), nothing)
  }

  /** The package has no user here: it could close a node only after it was made (options.ts refuses `auth`). */
  async protect(): Promise<Answer<void>> {
    return { code: UNIMPLEMENTED }
  }

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
      // Not at once: whoever asks again would keep the event loop from hearing that the session is over.
      if (code < OK) this.#deliver(() => settle({ code }))
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

/** As the builtin client names them. */
function sessionName(id: string): string {
  return `0x${id.replace(/^0x/, '')}`
}

/** The package takes Buffers; it copies what it is given before it returns. */
function asBuffer(data: Uint8Array): Uint8Array {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
