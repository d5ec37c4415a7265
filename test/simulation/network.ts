import type { Carrier } from '../../src/connect.js'
import { streams as httpStreams } from '../../src/connect-streams.js'
import { PortalError } from '../../src/core/errors.js'
import { onAbort } from '../../src/runtime/on-abort.js'
import type { SendRequest, SendResponse } from '../../src/transport/http/client/send.js'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/transport/http/exchange.js'
import type { Life } from './life.js'
import { IMPOSSIBLE, type LinkFaults } from './link.js'
import type { Scheduler } from './scheduler.js'
import { Violation } from './violation.js'

/** Who watches what crosses the network. */
export interface NetworkWatcher {
  /** A client sends a request. */
  sent(request: SendRequest): void
  /** A request has come to the broker. Returns who is told of its answer. */
  arrived(request: SendRequest, sentAt: number): ExchangeWatcher | undefined
  /** An answer said no. */
  sees(error: PortalError): void
}

export interface ExchangeWatcher {
  /** The broker has answered it well, or has gone on with its stream. */
  served(): void
  /** So much of the answer has come to the client. */
  heard(piece: Uint8Array): void
}

/** A broker's process, as the network reaches it. */
export interface Server {
  readonly http: HttpHandler
  alive(): boolean
  /** Resolves when it runs; missing: it never stands still. */
  awake?(): Promise<void>
}

export interface NetworkParts {
  readonly scheduler: Scheduler
  readonly faults: LinkFaults
  /** Whoever listens at the host of a URL. */
  readonly broker: (host: string) => Server | undefined
  /** Whether nothing goes from one machine to the other; missing: no machine is cut off. */
  readonly isCut?: (from: string, to: string) => boolean
  readonly watcher: NetworkWatcher
}

/** A client's process. */
export interface ClientProcess {
  /** Its machine. */
  readonly machine: string
  readonly life: Life
  /** Whether it hands over pieces as they come. */
  readonly streams: boolean
  /** Makes a connection talk to leaders itself; missing: it talks to whichever broker answers. */
  readonly learn?: Carrier['learn']
}

/** A client's way into the network. */
export interface NetworkEnd {
  readonly carrier: Carrier
  /** Its process dies: whatever it has under way ends without a word. */
  die(): void
}

/**
 * HTTP as it is between machines: the real client and the real routes, with a simulated wire between. Each request has a connection of its own.
 * What is on a connection is ordered, so that of a stream the tail is lost and never a piece in the middle; connections are not.
 */
export class Network {
  readonly #parts: NetworkParts
  readonly #open = new Set<Exchange>()

  constructor(parts: NetworkParts) {
    this.#parts = parts
  }

  connect({ machine, life, streams, learn }: ClientProcess): NetworkEnd {
    const own = new Set<Exchange>()
    const send = (request: SendRequest) => {
      try {
        this.#parts.watcher.sent(request)
      } catch (error) {
        // Thrown here it would be taken for a bad connection.
        this.#parts.scheduler.fail(error)
      }
      const exchange = new Exchange(this.#parts, request, machine, life)
      own.add(exchange)
      this.#open.add(exchange)
      return exchange.answer.finally(() => {
        own.delete(exchange)
        this.#open.delete(exchange)
      })
    }
    const pack = () => Promise.reject(new PortalError('UNSUPPORTED', 'Nothing is packed here.'))
    const die = () => {
      for (const exchange of own) {
        this.#open.delete(exchange)
        exchange.forsake()
      }
    }
    const carrier: Carrier = { send, pack, streams: streams ? httpStreams : undefined, close: async () => {} }
    return { carrier: learn ? { ...carrier, learn } : carrier, die }
  }

  /** The broker's process is gone. Most connections are reset by its machine; of some nobody hears any more. */
  brokerDied(host: string): void {
    const { scheduler } = this.#parts
    for (const exchange of [...this.#open])
      if (exchange.host === host && scheduler.chance(0.8)) exchange.resetByDeath()
  }
}

/** A request at the broker. */
interface Visit {
  readonly control: AbortController
  /** The broker has noticed that the caller is gone. */
  hasGone: boolean
}

class Exchange {
  readonly answer: Promise<SendResponse>
  readonly host: string
  /** The client's machine. */
  readonly #from: string
  readonly #life: Life
  /** What has come to its machine; it takes it once it runs. */
  readonly #inbox: (() => void)[] = []
  readonly #parts: NetworkParts
  readonly #request: SendRequest
  readonly #sentAt: number
  readonly #visits: Visit[] = []
  #resolve!: (response: SendResponse) => void
  #reject!: (error: Error) => void
  #silence: { cancel(): void } | undefined
  readonly #forget: () => void
  readonly #isDoubled: boolean
  /** The client waits no more. */
  #isOver = false
  /** Nothing reaches the client any more. */
  #isCut = false
  /** When what was sent last arrives. */
  #lastArrival = 0

  constructor(parts: NetworkParts, request: SendRequest, from: string, life: Life) {
    this.host = new URL(request.origin).hostname
    this.#from = from
    this.#life = life
    this.#parts = parts
    this.#request = request
    this.#sentAt = parts.scheduler.now
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#awaitSound()
    this.#forget = onAbort(request.signal, () => this.#fail('aborted'))
    const { scheduler, faults } = parts
    scheduler.spawn(this.#arrive())
    this.#isDoubled = request.onPiece === undefined && scheduler.chance(faults.duplicates)
    if (this.#isDoubled) {
      const late = scheduler.random() * scheduler.pick([0, 200])
      scheduler.after(late, () => scheduler.spawn(this.#arrive()))
    }
  }

  /** The client's process is gone: its machine closes the connection, or is gone, too. */
  forsake(): void {
    this.#end(() => {})
  }

  resetByDeath(): void {
    if (this.#visits.length > 0) this.#parts.scheduler.after(this.#delay(), () => this.#fail('reset'))
  }

  // The client's end ---------------------------------------------------------------------------------------------------

  #awaitSound(): void {
    this.#silence?.cancel()
    this.#silence = this.#parts.scheduler.after(this.#request.timeout, () => this.#fail('silence'))
  }

  /** `code`: what Node calls it. */
  #fail(why: string, code?: string): void {
    this.#end(() => this.#reject(Object.assign(new Error(why), { code })))
  }

  #end(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#silence?.cancel()
    this.#forget()
    this.#enter(tell)
    for (const visit of this.#visits) this.#noticeLater(visit)
  }

  /** In the order in which it came, however late. */
  #enter(take: () => void): void {
    this.#inbox.push(take)
    this.#life.enter(() => this.#inbox.shift()!())
  }

  // The broker's end ---------------------------------------------------------------------------------------------------

  async #arrive(): Promise<void> {
    const { scheduler, faults, broker, watcher } = this.#parts
    await scheduler.sleep(this.#delay())
    if (scheduler.chance(faults.loss) || this.#isCutGoing()) return this.#break()
    const reached = broker(this.host)
    // Of one that came twice the other copy may arrive.
    if (!reached?.alive()) return this.#fail('refused', this.#isDoubled ? undefined : 'ECONNREFUSED')
    // A connection that was closed before it carried anything.
    if (this.#isOver && scheduler.chance(0.5)) return
    const visit: Visit = { control: new AbortController(), hasGone: false }
    this.#visits.push(visit)
    if (reached.awake) await reached.awake()
    // It is read with the end of the connection right behind it.
    if (this.#isOver) leave(visit)
    const exchange = watcher.arrived(this.#request, this.#sentAt)
    const answer = await reached.http(toRequest(this.#request, visit.control.signal))
    // Whoever died meanwhile has answered nothing; whoever stands still has not yet.
    if (reached.awake) await reached.awake()
    if (!reached.alive()) return
    if (visit.hasGone) return answer.undo?.()
    if (typeof answer.body === 'object' && Symbol.asyncIterator in answer.body)
      return this.#stream(reached, visit, answer, answer.body as AsyncIterable<Uint8Array>, exchange)
    const body = typeof answer.body === 'string' ? new TextEncoder().encode(answer.body) : answer.body
    this.#judge(answer, body)
    if (answer.status < 300) exchange?.served()
    // Of one that was sent twice the other is hung up on.
    if (this.#isOver && this.#visits.length > 1) return answer.undo?.()
    if (scheduler.chance(faults.loss) || this.#isCutComing()) {
      // It stuck in the socket, which the broker sees; or it was on its way, which nobody does.
      if (scheduler.chance(0.3)) scheduler.after(this.#delay(), () => answer.undo?.())
      return this.#break()
    }
    await scheduler.sleep(this.#delay())
    if (this.#isOver && this.#visits.length > 1) return answer.undo?.()
    if (this.#isCut || this.#isOver) return
    this.#end(() => {
      if (answer.status < 300 && body) exchange?.heard(body)
      this.#resolve(responseOf(answer, body))
    })
  }

  /** Writes one piece after the other, as the server does: it learns late, or never, that nobody reads. */
  async #stream(
    reached: Server,
    visit: Visit,
    answer: HttpResponse,
    body: AsyncIterable<Uint8Array>,
    watcher: ExchangeWatcher | undefined,
  ): Promise<void> {
    const { scheduler, faults } = this.#parts
    let pieces = 0
    for await (const whole of body) {
      if (reached.awake) await reached.awake()
      if (!reached.alive() || visit.hasGone) break
      // The first says only that it is open.
      if (++pieces > 1) watcher?.served()
      for (const piece of this.#torn(whole)) {
        const isLost = !this.#isCut && (scheduler.chance(faults.loss / 4) || this.#isCutComing())
        if (isLost) this.#break()
        if (!this.#isCut) this.#put(() => this.#hear(piece, watcher))
      }
    }
    if (reached.alive() && !visit.hasGone) this.#put(() => this.#end(() => this.#resolve(responseOf(answer))))
  }

  /** Frames are no pieces: the network cuts where it likes. */
  #torn(piece: Uint8Array): Uint8Array[] {
    const { scheduler } = this.#parts
    if (piece.length < 2 || !scheduler.chance(0.2)) return [piece]
    const at = scheduler.whole(1, piece.length - 1)
    return [piece.subarray(0, at), piece.subarray(at)]
  }

  #put(arrives: () => void): void {
    const { scheduler } = this.#parts
    this.#lastArrival = Math.max(this.#lastArrival + 0.01, scheduler.now + this.#delay())
    scheduler.after(this.#lastArrival - scheduler.now, () => {
      if (!this.#isOver && !this.#isCut) arrives()
    })
  }

  #hear(piece: Uint8Array, watcher: ExchangeWatcher | undefined): void {
    this.#awaitSound()
    this.#enter(() => {
      watcher?.heard(piece)
      this.#request.onPiece!(piece)
    })
  }

  #judge({ status }: HttpResponse, body: Uint8Array | undefined): void {
    if (status < 400) return
    const { code, detail } = JSON.parse(new TextDecoder().decode(body))
    const { method, path } = this.#request
    if (IMPOSSIBLE.has(code)) throw new Violation(`${method} ${path} was refused: ${code} ${detail}`)
    this.#parts.watcher.sees(new PortalError(code, detail))
  }

  // Faults -------------------------------------------------------------------------------------------------------------

  #isCutGoing(): boolean {
    return this.#parts.isCut?.(this.#from, this.host) ?? false
  }

  #isCutComing(): boolean {
    return this.#parts.isCut?.(this.host, this.#from) ?? false
  }

  /** The connection is gone, with all that is on it. The client sees a reset, or nothing at all. */
  #break(): void {
    const { scheduler } = this.#parts
    this.#isCut = true
    if (scheduler.chance(0.7)) scheduler.after(this.#delay(), () => this.#fail('reset'))
    for (const visit of this.#visits) if (scheduler.chance(0.3)) this.#noticeLater(visit)
  }

  /** The broker learns that nobody listens: at once, or when it next tries to send. */
  #noticeLater(visit: Visit): void {
    const { scheduler } = this.#parts
    const late = scheduler.pick([0, 0, 100, 3_000, 20_000])
    scheduler.after(this.#delay() + scheduler.random() * late, () => leave(visit))
  }

  #delay(): number {
    const { scheduler, faults } = this.#parts
    const isLong = faults.delay > 0 && scheduler.chance(0.01)
    return scheduler.random() * faults.delay * (isLong ? 100 : 1)
  }
}

function leave(visit: Visit): void {
  visit.hasGone = true
  visit.control.abort(new PortalError('ABORTED', 'The caller has gone.'))
}

function toRequest({ method, path, headers, body }: SendRequest, signal: AbortSignal): HttpRequest {
  const mark = path.indexOf('?')
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : (body ?? new Uint8Array())
  return {
    method,
    path: mark < 0 ? path : path.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : path.slice(mark + 1)),
    header: (name) => headers[name],
    body: async () => bytes,
    signal,
    peer: { address: undefined },
  }
}

function responseOf({ status, headers }: HttpResponse, body: Uint8Array = new Uint8Array()): SendResponse {
  return { status, type: headers['content-type'] ?? '', body }
}
