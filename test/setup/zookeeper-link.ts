import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a server that can be cut. It always listens: a port that refuses could be given to the one who tries to connect. */
export class ZooKeeperLink {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((near) => this.#pass(near))
  #host = ''
  #port = 0
  #state: 'passes' | 'severed' | 'silent' = 'passes'

  /** A way to `target` (`host:port`) through this process. */
  static async open(target: string): Promise<ZooKeeperLink> {
    const link = new ZooKeeperLink()
    link.lead(target)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** New connections lead to `target`. */
  lead(target: string): void {
    const colon = target.lastIndexOf(':')
    this.#host = target.slice(0, colon)
    this.#port = Number(target.slice(colon + 1))
  }

  /** Cuts the connections of this moment; new ones pass. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Cuts the connections, and new ones at once, until `mend`. */
  sever(): void {
    this.#state = 'severed'
    this.cut()
  }

  /** Passes nothing on, in neither direction, and keeps the connections, until `mend`. */
  hush(): void {
    this.#state = 'silent'
    for (const socket of this.#sockets) socket.pause()
  }

  mend(): void {
    this.#state = 'passes'
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #pass(near: Socket): void {
    if (this.#state === 'severed') return void near.destroy()
    const far = connect({ host: this.#host, port: this.#port })
    const ends = [
      [near, far],
      [far, near],
    ] as const
    for (const [one, other] of ends) {
      this.#sockets.add(one)
      one.on('data', (chunk) => other.write(chunk))
      if (this.#state === 'silent') one.pause()
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
  }
}
