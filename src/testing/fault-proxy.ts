import { createServer, type Server, type Socket } from 'node:net'
import { PortalError } from '../core/errors.js'
import type { Timer } from '../runtime/runtime.js'
import { systemRuntime } from '../runtime/system.js'
import { seededRandom } from '../runtime/virtual.js'
import { carry } from './carry.js'
import type { Fault, FaultReport, FaultyRequest } from './fault.js'

export type { Fault, FaultReport, FaultyRequest } from './fault.js'

export interface FaultProxyOptions {
  /** The server that it stands before: an http: URL. */
  readonly target: string
  /** The loopback port that it listens at; 0: any. @default 0 */
  readonly port?: number | undefined
  /** What is left to chance is the same for the same seed. @default 1 */
  readonly seed?: number | undefined
}

/**
 * A proxy that spoils what passes through it, as the test says.
 *
 * @example
 * const proxy = await faultProxy({ target: broker.url })
 * const remote = connect(proxy.url)
 * const lost = proxy.inject({ type: 'swallow' }, ({ path }) => path === '/messages')
 * await new Producer(remote).send('orders', { id: 1 })   // stored once, although the first answer was lost
 * await lost
 * await proxy.close()
 */
export interface FaultProxy extends AsyncDisposable {
  /** What clients connect to. */
  readonly url: string
  /** Does this to the next request, or the next that `which` accepts. Resolves when that exchange is over. */
  inject(fault: Fault, which?: (request: FaultyRequest) => boolean): Promise<FaultReport>
  /**
   * Does to each request what `draw` says, with a chance of its own that the seed decides. Undefined ends it. Injected faults come first.
   */
  always(draw: ((request: FaultyRequest, random: () => number) => Fault | undefined) | undefined): void
  /** Cuts all connections of this moment. */
  cut(): void
  /** Accepts connections and is silent; those that are open are silent, too. Nothing is lost: it comes after `pass`. */
  goDark(): void
  /** Cuts all connections and refuses new ones. */
  refuse(): Promise<void>
  /** Ends darkness and refusal. */
  pass(): Promise<void>
  /** May be called again. */
  close(): Promise<void>
}

/** Starts a proxy on loopback. Rejects with INVALID_ARGUMENT when the target is no http: URL or the port cannot be had. */
export async function faultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new LoopbackProxy(options)
  await proxy.listen(options.port ?? 0)
  return proxy
}

interface Injected {
  readonly fault: Fault
  readonly which: (request: FaultyRequest) => boolean
  readonly over: (report: FaultReport) => void
}

class LoopbackProxy implements FaultProxy {
  readonly #target: { readonly host: string; readonly port: number }
  readonly #random: () => number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #injected: Injected[] = []
  readonly #pauses = new Map<Timer, () => void>()
  #draw: ((request: FaultyRequest, random: () => number) => Fault | undefined) | undefined
  /** While it is dark, resolves when it is not. */
  #darkness: Promise<void> | undefined
  #lighten = () => {}
  #port = 0
  #closed = false

  constructor({ target, seed = 1 }: FaultProxyOptions) {
    this.#target = checkTarget(target)
    const random = seededRandom(seed)
    this.#random = () => random.float()
    this.#server = createServer({ noDelay: true }, (client) => void this.#serve(client))
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(
          new PortalError('INVALID_ARGUMENT', `The fault proxy cannot listen at ${port}: ${cause.message}.`, {
            cause,
          }),
        )
      this.#server.once('error', fail)
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', fail)
        this.#port = (this.#server.address() as { port: number }).port
        resolve()
      })
    })
  }

  inject(fault: Fault, which: (request: FaultyRequest) => boolean = () => true): Promise<FaultReport> {
    return new Promise((over) => void this.#injected.push({ fault, which, over }))
  }

  always(draw: ((request: FaultyRequest, random: () => number) => Fault | undefined) | undefined): void {
    this.#draw = draw
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  goDark(): void {
    this.#darkness ??= new Promise((resolve) => {
      this.#lighten = resolve
    })
  }

  async refuse(): Promise<void> {
    if (this.#server.listening) {
      const closed = new Promise((resolve) => this.#server.close(resolve))
      this.cut()
      await closed
    }
  }

  async pass(): Promise<void> {
    this.#darkness = undefined
    this.#lighten()
    if (!this.#server.listening && !this.#closed) await this.listen(this.#port)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#darkness = undefined
    this.#lighten()
    for (const [timer, wake] of this.#pauses) {
      timer.cancel()
      wake()
    }
    await this.refuse()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #serve(client: Socket): Promise<void> {
    this.#keep(client)
    await carry(client, this.#target, {
      choose: (request) => this.#choose(request),
      keep: (socket) => this.#keep(socket),
      light: () => this.#darkness ?? Promise.resolve(),
      pause: (milliseconds) => this.#pause(milliseconds),
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // Whoever uses it hears of its end by 'close'.
    socket.on('error', () => {})
  }

  #choose(request: FaultyRequest): { fault: Fault; over: (report: FaultReport) => void } {
    const at = this.#injected.findIndex(({ which }) => which(request))
    if (at >= 0) return this.#injected.splice(at, 1)[0]!
    return { fault: this.#draw?.(request, this.#random) ?? { type: 'pass' }, over() {} }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = systemRuntime().timers.setTimeout(() => {
        this.#pauses.delete(timer)
        resolve()
      }, milliseconds)
      this.#pauses.set(timer, resolve)
    })
  }
}

function checkTarget(target: string): { host: string; port: number } {
  const url = URL.canParse(target) ? new URL(target) : undefined
  if (url?.protocol !== 'http:')
    throw new PortalError('INVALID_ARGUMENT', `The target of a fault proxy is an http: URL, not '${target}'.`)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) }
}
