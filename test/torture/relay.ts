import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Which way bytes go: to the server, back to whoever connected, or either. */
export type Direction = 'there' | 'back' | 'both'

/**
 * A way to a TCP server that can be cut, in one direction or both. What is sent meanwhile is kept, as a network's peers keep and repeat what is not
 * confirmed: it arrives when the way is mended, if the connection still stands. It always listens.
 */
export class Relay {
  readonly #target: { readonly host: string; readonly port: number }
  readonly #server = createServer({ noDelay: true }, (near) => this.#pass(near))
  readonly #near = new Set<Socket>()
  readonly #far = new Set<Socket>()
  #silent: Direction | undefined

  private constructor(host: string, port: number) {
    this.#target = { host, port }
  }

  /** To `target` (`host:port`), which need not be there yet. */
  static async open(target: string): Promise<Relay> {
    const [host = '', port] = target.split(':')
    const relay = new Relay(host, Number(port))
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Passes nothing on in this direction until `mend`; connections stay. */
  cut(direction: Direction = 'both'): void {
    this.#silent = direction
    for (const socket of this.#near) if (direction !== 'back') socket.pause()
    for (const socket of this.#far) if (direction !== 'there') socket.pause()
  }

  /** Passes again. `reset`: on new connections only, the old ones are broken. */
  mend(reset = false): void {
    this.#silent = undefined
    for (const socket of [...this.#near, ...this.#far]) reset ? socket.destroy() : socket.resume()
  }

  close(): void {
    this.#server.close()
    for (const socket of [...this.#near, ...this.#far]) socket.destroy()
  }

  #pass(near: Socket): void {
    const far = connect({ ...this.#target, noDelay: true })
    this.#join(this.#near, near, far, this.#silent !== undefined && this.#silent !== 'back')
    this.#join(this.#far, far, near, this.#silent !== undefined && this.#silent !== 'there')
  }

  #join(all: Set<Socket>, from: Socket, to: Socket, silent: boolean): void {
    all.add(from)
    from.on('data', (chunk) => {
      if (!to.destroyed) to.write(chunk)
    })
    if (silent) from.pause()
    from.on('error', () => {})
    from.on('end', () => to.end())
    from.on('close', () => {
      all.delete(from)
      to.destroy()
    })
  }
}
