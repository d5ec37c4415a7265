import { PortalError } from '../../src/core/errors.js'
import type { Ensemble, Operation, Replica, ServerSession } from './ensemble.js'
import type { Life } from './life.js'
import type { Scheduler } from './scheduler.js'

/** The way between one client and the service. */
export class CoordinationLink {
  readonly faults = {
    /** Most milliseconds that a message takes, one way. */
    delay: 5,
    /** Most milliseconds more that news of a watch takes. */
    lateness: 0,
    /** Share of messages over which the connection breaks. */
    loss: 0,
  }
  readonly client: string
  #isUp = true
  readonly #resets = new Set<() => void>()

  constructor(client = 'client') {
    this.client = client
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Nothing comes through any more. With `reset` the client sees it at once, else when it misses what it waits for. */
  cut(reset: boolean): void {
    this.#isUp = false
    if (reset) this.reset()
  }

  /** Breaks connections that can be made again at once. */
  reset(): void {
    for (const listener of [...this.#resets]) listener()
  }

  heal(): void {
    this.#isUp = true
  }

  onReset(listener: () => void): void {
    this.#resets.add(listener)
  }
}

export interface ConnectionParts {
  readonly scheduler: Scheduler
  readonly ensemble: Ensemble
  readonly link: CoordinationLink
  readonly life: Life
  readonly timeout: number
  /** A server that is connected to has applied a change of these paths. */
  readonly touched: (paths: ReadonlySet<string>) => void
  /** What came between is not known: everything may have changed. */
  readonly reconnected: () => void
  readonly lost: (reason: PortalError) => void
}

interface Call {
  readonly kind: 'read' | 'write'
  readonly operation: Operation<unknown>
  readonly settle: (outcome: Outcome) => void
}

type Outcome = { readonly value: unknown } | { readonly error: unknown }

/** One connection: what is on it comes in order, and after what is lost nothing comes any more. */
interface Wire {
  readonly replica: Replica
  lastArrival: number
  lastAnswer: number
  /** Seen by the client: what it asked for may have been done, or may yet be. */
  isBroken: boolean
  /** What is on its way to the service is gone, too. */
  isEmpty: boolean
  /** Something was lost on it: whoever waits for an answer will miss it, and break the connection. */
  isHoled: boolean
  readonly listener: (touched: ReadonlySet<string>) => void
  /** What the client is to hear of, over this connection alone: what the next one carries is its own. */
  news: Set<unknown>
}

/** Less than this apart, and the order of two things is chance (ms). */
const APART = 0.002

/** A session's way to the service: connections that break and are made again, until the service has ended the session. */
export class CoordinationConnection {
  readonly #parts: ConnectionParts
  #server: ServerSession | undefined
  /** As the client sees it. */
  #wire: Wire | undefined
  /** As the service sees it: from an older one nothing is taken. */
  #accepted: Wire | undefined
  #waiting: Call[] = []
  readonly #sent = new Set<Call>()
  #heardAt = 0
  #leaseUntil = 0
  /** How many changes it has seen the effects of: no server that is behind takes it. */
  #seen = 0
  #isOver = false
  #isShaking = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    parts.link.onReset(() => parts.life.enter(() => this.#break()))
  }

  get sessionId(): string {
    return this.#server?.id ?? 'session-none'
  }

  get leaseUntil(): number {
    return this.#leaseUntil
  }

  /** DISCONNECTED if the service is not reached within the session's timeout. */
  async open(): Promise<void> {
    const { scheduler, life, timeout } = this.#parts
    const until = scheduler.now + timeout
    await new Promise<void>((resolve, reject) => {
      // What happens to the connection once it was there is not for this to judge.
      let isOpen = false
      const attempt = () => {
        if (isOpen) return
        if (scheduler.now >= until) {
          this.#end()
          return reject(disconnected('The service cannot be reached.'))
        }
        this.#shakeHands(() => {
          isOpen = true
          resolve()
        })
        life.runtime.timers.setTimeout(attempt, timeout / 6)
      }
      attempt()
    })
    this.#beat()
  }

  call<T>(kind: Call['kind'], operation: Operation<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Outcome) =>
        'error' in outcome ? reject(outcome.error) : resolve(outcome.value as T)
      this.#submit({ kind, operation, settle })
    })
  }

  /** Tells the server something that nothing rests on. */
  tell(arrive: () => void): void {
    this.#submit({ kind: 'read', operation: arrive, settle: () => {} })
  }

  /** Ends the session, after what was called before; if the service does not hear of it, it ends by itself. */
  async close(): Promise<void> {
    if (this.#isOver) return
    const { life, ensemble, timeout } = this.#parts
    const server = this.#server
    const asked = this.call('read', () => server && ensemble.end(server))
    const patience = new Promise<void>((resolve) => life.runtime.timers.setTimeout(resolve, timeout))
    await Promise.race([asked.catch(() => {}), patience])
    this.#end()
    this.#fail(new PortalError('CLOSED', 'The simulated coordination is closed.'))
  }

  /** Brings news to the client: late, and together with what else has happened by then. */
  notifyLater<T>(news: Iterable<T>, deliver: (news: Iterable<T>) => void): void {
    const { scheduler, link } = this.#parts
    const wire = this.#accepted!
    const isFirst = wire.news.size === 0
    for (const one of news) wire.news.add(one)
    if (!isFirst) return
    scheduler.after(scheduler.random() * link.faults.lateness, () => {
      const due = wire.news as Set<T>
      wire.news = new Set()
      this.#answer(wire, () => deliver(due))
    })
  }

  // The client's end ---------------------------------------------------------------------------------------------------

  #submit(call: Call): void {
    if (this.#isOver) return call.settle({ error: disconnected('The session is over.') })
    if (this.#wire) return this.#send(this.#wire, call)
    const { scheduler, life, timeout } = this.#parts
    this.#waiting.push(call)
    life.runtime.timers.setTimeout(
      () => {
        if (!this.#waiting.includes(call)) return
        this.#waiting = this.#waiting.filter((other) => other !== call)
        call.settle({ error: disconnected('There was no connection.') })
      },
      scheduler.random() * 1.5 * timeout,
    )
  }

  #send(wire: Wire, call: Call): void {
    this.#sent.add(call)
    this.#put(wire, () => {
      const outcome = this.#perform(wire, call)
      const seen = wire.replica.applied
      this.#answer(wire, () => {
        this.#seen = Math.max(this.#seen, seen)
        if (this.#sent.delete(call)) call.settle(outcome)
      })
    })
  }

  /** Looks after the connection for as long as the session lives. */
  #beat(): void {
    if (this.#isOver) return
    const { scheduler, life, timeout } = this.#parts
    const wire = this.#wire
    if (wire === undefined) this.#shakeHands(() => {})
    else if (scheduler.now - this.#heardAt > (timeout * 2) / 3) this.#break()
    else {
      const sentAt = scheduler.now
      this.#put(wire, () => this.#answer(wire, () => this.#renew(sentAt)))
    }
    life.runtime.timers.setTimeout(() => this.#beat(), timeout / 6)
  }

  #renew(sentAt: number): void {
    this.#leaseUntil = Math.max(this.#leaseUntil, sentAt + (this.#parts.timeout * 2) / 3)
  }

  /** Of what is under way nobody knows any more whether it was done. */
  #break(): void {
    if (this.#isOver || !this.#wire) return
    this.#wire.isBroken = true
    this.#wire.isEmpty = this.#parts.scheduler.chance(0.5)
    this.#wire = undefined
    const lost = [...this.#sent]
    this.#sent.clear()
    for (const call of lost) call.settle({ error: disconnected('The connection broke.') })
    const { scheduler, life } = this.#parts
    life.runtime.timers.setTimeout(() => {
      if (!this.#wire && !this.#isOver) this.#shakeHands(() => {})
    }, scheduler.random() * 100)
  }

  /** The service has ended the session. */
  #lose(): void {
    if (this.#isOver) return
    const reason = disconnected(`The coordination ${this.sessionId} has expired.`)
    this.#end()
    this.#fail(reason)
    this.#parts.lost(reason)
  }

  #end(): void {
    this.#isOver = true
    this.#leaseUntil = Number.NEGATIVE_INFINITY
    this.#accepted?.replica.watchers.delete(this.#accepted.listener)
    this.#accepted = undefined
    this.#wire = undefined
  }

  #fail(error: PortalError): void {
    const calls = [...this.#sent, ...this.#waiting]
    this.#sent.clear()
    this.#waiting = []
    for (const call of calls) call.settle({ error })
  }

  // Between ------------------------------------------------------------------------------------------------------------

  /** One attempt at a time: of two connections the service would take one, and the client the other. */
  #shakeHands(done: () => void): void {
    if (this.#isShaking) return
    this.#isShaking = true
    const { scheduler, link, life, ensemble, timeout } = this.#parts
    const sentAt = scheduler.now
    const failed = () => {
      this.#isShaking = false
    }
    scheduler.after(this.#delay(), () => {
      if (!link.isUp || ensemble.away || this.#isOver) return failed()
      this.#server ??= ensemble.open(link.client, timeout, () => this.#forget())
      const wire = this.#server.isOver ? undefined : this.#accept()
      scheduler.after(this.#delay(), () => {
        if (!link.isUp) return failed()
        life.enter(() => {
          this.#isShaking = false
          if (this.#isOver) return
          if (wire === undefined) return this.#lose()
          this.#take(wire, sentAt)
          done()
        })
      })
    })
  }

  #take(wire: Wire, sentAt: number): void {
    this.#wire = wire
    this.#heardAt = this.#parts.scheduler.now
    this.#renew(sentAt)
    for (const call of this.#waiting.splice(0)) this.#send(wire, call)
    this.#parts.reconnected()
  }

  #put(wire: Wire, arrive: () => void): void {
    const { scheduler, link, ensemble } = this.#parts
    wire.lastArrival = Math.max(wire.lastArrival + APART, scheduler.now + this.#delay())
    scheduler.after(wire.lastArrival - scheduler.now, () => {
      // What the client has given up may come all the same, until the session has another connection.
      const isGone = wire.isEmpty || wire !== this.#accepted || this.#server?.isOver
      if (isGone || wire.isHoled) return
      wire.isHoled = !link.isUp || ensemble.away || this.#isTorn()
      if (wire.isHoled) return
      this.#server!.heardAt = scheduler.now
      arrive()
    })
  }

  #answer(wire: Wire, reach: () => void): void {
    const { scheduler, link, life } = this.#parts
    wire.lastAnswer = Math.max(wire.lastAnswer + APART, scheduler.now + this.#delay())
    scheduler.after(wire.lastAnswer - scheduler.now, () => {
      if (wire.isHoled) return
      wire.isHoled = !link.isUp || this.#isTorn()
      if (wire.isHoled) return
      life.enter(() => {
        if (wire.isBroken || this.#isOver) return
        this.#heardAt = scheduler.now
        reach()
      })
    })
  }

  #isTorn(): boolean {
    const { scheduler, link, life } = this.#parts
    if (!scheduler.chance(link.faults.loss)) return false
    scheduler.after(this.#delay(), () => life.enter(() => this.#break()))
    return true
  }

  #delay(): number {
    const { scheduler, link } = this.#parts
    const isLong = link.faults.delay > 5 && scheduler.chance(0.01)
    return scheduler.random() * link.faults.delay * (isLong ? 50 : 1)
  }

  // The service's end --------------------------------------------------------------------------------------------------

  #accept(): Wire {
    const { scheduler, ensemble } = this.#parts
    this.#accepted?.replica.watchers.delete(this.#accepted.listener)
    const replica = scheduler.pick(ensemble.replicas)
    ensemble.catchUp(replica, this.#seen)
    const listener = (touched: ReadonlySet<string>) => this.#parts.touched(touched)
    const wire: Wire = {
      ...{ replica, lastArrival: 0, lastAnswer: 0, isBroken: false, isEmpty: false, isHoled: false },
      listener,
      news: new Set(),
    }
    replica.watchers.add(listener)
    this.#accepted = wire
    this.#server!.heardAt = scheduler.now
    return wire
  }

  #forget(): void {
    this.#accepted?.replica.watchers.delete(this.#accepted.listener)
  }

  #perform({ replica }: Wire, { kind, operation }: Call): Outcome {
    try {
      const value =
        kind === 'read' ? operation(replica.nodes) : this.#parts.ensemble.write(operation, replica)
      return { value }
    } catch (error) {
      return { error }
    }
  }
}

function disconnected(message: string): PortalError {
  return new PortalError('DISCONNECTED', message)
}
