import { connect, type Socket } from 'node:net'
import { JuteReader } from './jute.js'

export interface ConnectionEvents {
  opened(): void
  /** One frame from the server. Whatever it throws ends the connection. */
  received(reader: JuteReader): void
  /** Once, however it ended. */
  closed(): void
}

/** More than any answer: 100,000 names of 249 characters are 25 MB. */
const MAX_FRAME = 256 << 20

/** A TCP connection that carries frames. */
export class Connection {
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  #buffered: Buffer[] = []
  #length = 0
  /** Bytes that make the next step possible: a length, or the frame of it. */
  #needed = 4
  #isCorked = false

  constructor(address: { readonly host: string; readonly port: number }, events: ConnectionEvents) {
    this.#events = events
    this.#socket = connect({ host: address.host, port: address.port, noDelay: true })
    this.#socket.on('connect', () => events.opened())
    this.#socket.on('data', (chunk) => this.#take(chunk))
    // What went wrong does not matter: `close` follows.
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => events.closed())
  }

  /** Sends with all else that this turn still sends. */
  send(frame: Uint8Array): void {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      queueMicrotask(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(frame)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#buffered.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#needed) return
    let bytes = Buffer.concat(this.#buffered)
    try {
      while (bytes.length >= 4) {
        const length = bytes.readInt32BE(0)
        if (length < 0 || length > MAX_FRAME) throw new RangeError(`No frame has ${length} bytes.`)
        this.#needed = 4 + length
        if (bytes.length < this.#needed) break
        const frame = bytes.subarray(4, this.#needed)
        bytes = bytes.subarray(this.#needed)
        this.#needed = 4
        this.#events.received(new JuteReader(frame))
        if (this.#socket.destroyed) return
      }
    } catch {
      // Not ZooKeeper, or not in step with it: a new connection begins anew.
      this.#socket.destroy()
    }
    this.#buffered = [bytes]
    this.#length = bytes.length
  }
}
