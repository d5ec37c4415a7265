import type { Random, Timer } from '../../runtime/runtime.js'
import type { Answer, ClientConfig, ClientEvents, CreateOptions, Node, ZooKeeperClient } from './client.js'
import { AUTH_FAILED, CLOSING, CONNECTION_LOSS, OK, SESSION_EXPIRED } from './codes.js'
import { Connection } from './connection.js'
import type { ServerAddress } from './connection-string.js'
import type { JuteReader, JuteWriter } from './jute.js'
import {
  CREATOR_ALL,
  type Credentials,
  connectFrame,
  NEW_SESSION,
  OPEN,
  OPERATION,
  readGranted,
  readNode,
  readStat,
  request,
  sessionName,
  writeAcl,
  XID,
} from './protocol.js'

const EPHEMERAL = 1
const SEQUENTIAL = 2
const ANY_VERSION = -1
/** Of an ACL that nobody has set: a node's first. */
const FIRST_ACL = 0
/** The share of the session timeout that one attempt to connect may take, and that a server may be silent: the rest is for another one. */
const ATTEMPT = 1 / 3
const SILENCE = 1 / 2
/** Milliseconds between two rounds over all servers. */
const ROUND_PAUSE = 100
/** Milliseconds that the server has to say that it has ended the session. */
const CLOSE_LIMIT = 1_000

interface Request {
  readonly xid: number
  readonly frame: Uint8Array
  settle(code: number, reader: JuteReader | undefined): void
}

/**
 * The client by ZooKeeper's own protocol. Calls on a connection that is lost are answered with CONNECTION_LOSS, and so are those that wait when no
 * server can be reached. Something must ask at least once in a third of the session timeout: it sends no pings of its own.
 */
export class BuiltinClient implements ZooKeeperClient {
  readonly #config: ClientConfig
  readonly #events: ClientEvents
  #session: Credentials = NEW_SESSION
  #timeout: number
  #lastZxid = 0n
  #lastXid = 0
  /** Addresses of this round that were not tried yet. */
  #untried: ServerAddress[]
  #connection: Connection | undefined
  #isConnected = false
  #sent: Request[] = []
  #waiting: Request[] = []
  #heardAt = 0
  #timer: Timer | undefined
  #isOver = false
  #closing: Promise<void> | undefined

  constructor(config: ClientConfig, events: ClientEvents) {
    this.#config = config
    this.#events = events
    this.#timeout = config.sessionTimeout
    this.#untried = shuffled(config.addresses, config.random)
    void this.#connect()
  }

  get sessionId(): string {
    return sessionName(this.#session.id)
  }

  get timeout(): number {
    return this.#timeout
  }

  sync(path: string): Promise<Answer<void>> {
    return this.#call(OPERATION.sync, (writer) => writer.text(path), nothing)
  }

  create(path: string, data: Uint8Array, options: CreateOptions): Promise<Answer<string>> {
    const flags = (options.ephemeral ? EPHEMERAL : 0) | (options.sequential ? SEQUENTIAL : 0)
    const acl = this.#config.digest === undefined || options.open ? OPEN : CREATOR_ALL
    return this.#call(
      OPERATION.create,
      (writer) => writeAcl(writer.text(path).buffer(data), acl).int(flags),
      (reader) => reader.text(),
    )
  }

  get(path: string): Promise<Answer<Node>> {
    return this.#call(OPERATION.get, (writer) => writer.text(path).boolean(false), readNode)
  }

  children(path: string): Promise<Answer<string[]>> {
    return this.#call(
      OPERATION.children,
      (writer) => writer.text(path).boolean(false),
      (reader) => reader.texts(),
    )
  }

  watch(path: string): void {
    void this.#call(OPERATION.exists, (writer) => writer.text(path).boolean(true), nothing)
    void this.#call(OPERATION.children, (writer) => writer.text(path).boolean(true), nothing)
  }

  set(path: string, data: Uint8Array, version: number): Promise<Answer<number>> {
    return this.#call(
      OPERATION.set,
      (writer) => writer.text(path).buffer(data).int(version),
      (reader) => readStat(reader).version,
    )
  }

  delete(path: string, version: number = ANY_VERSION): Promise<Answer<void>> {
    return this.#call(OPERATION.delete, (writer) => writer.text(path).int(version), nothing)
  }

  protect(path: string): Promise<Answer<void>> {
    return this.#call(
      OPERATION.setAcl,
      (writer) => writeAcl(writer.text(path), CREATOR_ALL).int(FIRST_ACL),
      nothing,
    )
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#isConnected && !this.#isOver) {
      let timer: Timer | undefined
      const ended = this.#call(OPERATION.close, (writer) => writer, nothing)
      this.#isOver = true
      const limit = new Promise<void>((resolve) => {
        timer = this.#config.timers.setTimeout(resolve, CLOSE_LIMIT)
      })
      await Promise.race([ended, limit])
      timer?.cancel()
    }
    this.#end(CLOSING)
  }

  #call<T>(
    operation: number,
    write: (writer: JuteWriter) => JuteWriter,
    read: (reader: JuteReader) => T,
  ): Promise<Answer<T>> {
    return new Promise((resolve) => {
      if (this.#isOver) return resolve({ code: CLOSING })
      this.#lastXid = (this.#lastXid % 0x7fffffff) + 1
      const xid = this.#lastXid
      const call: Request = {
        xid,
        frame: write(request(xid, operation)).frame(),
        settle(code, reader) {
          resolve(code === OK && reader ? { code: OK, value: read(reader) } : { code })
        },
      }
      if (this.#isConnected) this.#send(call)
      else this.#waiting.push(call)
    })
  }

  #send(call: Request): void {
    this.#sent.push(call)
    this.#connection?.send(call.frame)
  }

  async #connect(): Promise<void> {
    if (this.#untried.length === 0) {
      try {
        this.#untried = shuffled(await this.#config.resolve(), this.#config.random)
      } catch {
        // Names that lead nowhere now may do so later.
      }
    }
    if (this.#isOver) return
    const address = this.#untried.pop()
    if (address === undefined) return this.#retry()
    this.#isConnected = false
    const connection = new Connection(address, {
      opened: () => this.#greet(connection),
      received: (reader) => {
        this.#heardAt = this.#config.clock.monotonic()
        if (this.#isConnected) this.#receive(reader)
        else this.#welcome(reader)
      },
      closed: () => this.#lose(connection),
    })
    this.#connection = connection
    this.#heardAt = this.#config.clock.monotonic()
    this.#guard(connection)
  }

  #greet(connection: Connection): void {
    // What the session asks for, not what was granted: another server may grant more.
    connection.send(connectFrame(this.#session, this.#config.sessionTimeout, this.#lastZxid))
  }

  #welcome(reader: JuteReader): void {
    const granted = readGranted(reader)
    if (granted.timeout <= 0) return this.#endedBy(SESSION_EXPIRED)
    this.#session = granted
    this.#timeout = granted.timeout
    this.#isConnected = true
    this.#untried = []
    const { digest } = this.#config
    if (digest !== undefined) this.#connection?.send(authFrame(digest))
    for (const call of this.#waiting.splice(0)) this.#send(call)
    this.#events.connected()
  }

  #receive(reader: JuteReader): void {
    const xid = reader.int()
    const zxid = reader.long()
    const code = reader.int()
    if (zxid > this.#lastZxid) this.#lastZxid = zxid
    if (xid === XID.event) {
      // type, state
      reader.skip(2 * 4)
      const path = reader.text()
      // In its place among the answers, whose callers hear of them in a microtask, too.
      queueMicrotask(() => void (this.#isOver || this.#events.changed(path)))
    } else if (xid === XID.auth) {
      if (code !== OK) this.#endedBy(AUTH_FAILED)
    } else {
      const call = this.#sent[0]
      if (call?.xid !== xid) throw new Error(`An answer to ${xid}, which was not asked.`)
      call.settle(code, reader)
      this.#sent.shift()
    }
  }

  /** Takes a server that does not answer for one that is gone. */
  #guard(connection: Connection): void {
    const limit = () => this.#timeout * (this.#isConnected ? SILENCE : ATTEMPT)
    const { clock, timers } = this.#config
    const isSilent = () => clock.monotonic() - this.#heardAt >= limit()
    this.#timer?.cancel()
    this.#timer = timers.setTimeout(
      () => {
        if (this.#connection !== connection) return
        if (!isSilent()) this.#guard(connection)
        // An answer may have come while the event loop was blocked.
        else timers.defer(() => void (isSilent() ? connection.close() : this.#guard(connection)))
      },
      Math.max(1, limit() - (clock.monotonic() - this.#heardAt)),
    )
  }

  #lose(connection: Connection): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#isConnected = false
    this.#timer?.cancel()
    for (const call of this.#sent.splice(0)) call.settle(CONNECTION_LOSS, undefined)
    if (this.#isOver) return
    if (this.#untried.length > 0) void this.#connect()
    else this.#retry()
  }

  /** All servers were tried: whoever waits hears of it. */
  #retry(): void {
    for (const call of this.#waiting.splice(0)) call.settle(CONNECTION_LOSS, undefined)
    this.#timer?.cancel()
    this.#timer = this.#config.timers.setTimeout(() => void this.#connect(), ROUND_PAUSE)
  }

  #endedBy(code: number): void {
    if (this.#isOver) return
    this.#end(CLOSING)
    this.#events.ended(code)
  }

  #end(code: number): void {
    this.#isOver = true
    this.#timer?.cancel()
    for (const call of [...this.#sent.splice(0), ...this.#waiting.splice(0)]) call.settle(code, undefined)
    this.#connection?.close()
  }
}

function authFrame(digest: string): Uint8Array {
  const type = 0
  return request(XID.auth, OPERATION.auth).int(type).text('digest').text(digest).frame()
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = items.map((item) => ({ item, at: random.float() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

function nothing(): void {}
