import { abortedError, isPortalError, PortalError } from '../core/errors.js'
import type {
  CallOptions,
  EndReceiveRequest,
  HeldToken,
  ReceiveRequest,
  ReceiveResponse,
} from '../protocol/service.js'
import { onAbort } from '../runtime/on-abort.js'
import { sleepUntil } from '../runtime/wait.js'
import { type Asking, notLed } from './ask.js'
import { ConsumerWatch, HINT_WAIT } from './consumer-watch.js'
import { type Leader, passedOn } from './leaders.js'

/** Milliseconds that a receive which does not wait gives the leaders to compare what the consumer holds. */
const COMPARED_WITHIN = 1_000
const EMPTY: ReceiveResponse = { deliveries: [] }

/** Receives for consumers from whichever leader of their topic has something. */
export class LeaderReceives {
  readonly #asking: Asking
  /** Aborts when nothing is asked any more: hints that are parked end. */
  readonly #closed: AbortSignal
  readonly #watches = new Map<string, ConsumerWatch>()
  /** Of those that `endReceive` may end, by their names. */
  readonly #underWay = new Map<string, AbortController>()
  #turns = 0

  constructor(asking: Asking, closed: AbortSignal) {
    this.#asking = asking
    this.#closed = closed
  }

  async receive(request: ReceiveRequest, { signal }: CallOptions = {}): Promise<ReceiveResponse> {
    const stop = new AbortController()
    if (signal?.aborted) throw abortedError('The call receive', signal)
    const forget = onAbort(signal, () => stop.abort(signal!.reason))
    const name = request.id === undefined ? undefined : nameOf(request, request.id)
    if (name !== undefined) this.#underWay.set(name, stop)
    try {
      if (request.hint) return await this.#hint(request, stop.signal)
      return await new Receiving(this.#asking, request, stop.signal, (leaders) =>
        this.#watch(request, leaders),
      ).run()
    } finally {
      forget()
      if (name !== undefined && this.#underWay.get(name) === stop) this.#underWay.delete(name)
    }
  }

  /** The first leader that has something answers. */
  async #hint(request: ReceiveRequest, signal: AbortSignal): Promise<ReceiveResponse> {
    const { leaders } = this.#asking.leaders.ofTopic(request.topicId)
    const cut = new AbortController()
    const forget = onAbort(signal, () => cut.abort(signal.reason))
    const ask = (leader: Leader) =>
      leader.service.receive({ ...request, id: undefined }, passedOn({ signal: cut.signal }))
    try {
      return await Promise.any(leaders.map(ask))
    } catch (error) {
      throw (error as AggregateError).errors[0] ?? notLed(request.topicId, 0)
    } finally {
      forget()
      cut.abort()
    }
  }

  end(request: EndReceiveRequest): void {
    const { consumer, id } = request
    const reason = new PortalError('ABORTED', `A receive of consumer ${consumer} was ended by it.`)
    this.#underWay.get(nameOf(request, id))?.abort(reason)
  }

  #watch(request: ReceiveRequest, leaders: readonly Leader[]): ConsumerWatch {
    const { topicId, group, generation, consumer } = request
    const key = JSON.stringify([topicId, group, generation, consumer])
    let watch = this.#watches.get(key)
    if (watch === undefined) {
      for (const [other, { isIdle }] of this.#watches) if (isIdle) this.#watches.delete(other)
      watch = new ConsumerWatch(this.#asking.leaders, request, this.#closed, this.#turns++)
      this.#watches.set(key, watch)
    }
    watch.update(leaders)
    return watch
  }
}

function nameOf({ topicId, group, consumer }: Omit<EndReceiveRequest, 'id'>, id: number): string {
  return JSON.stringify([topicId, group, consumer, id])
}

/** One receive, for as long as it takes. */
class Receiving {
  readonly #asking: Asking
  readonly #request: ReceiveRequest
  readonly #signal: AbortSignal
  readonly #watchOf: (leaders: readonly Leader[]) => ConsumerWatch
  readonly #end: number
  /** Those who have compared `held`, or were told to. */
  readonly #told = new Set<Leader>()
  /** By a receive that does not wait. */
  readonly #asked = new Set<Leader>()

  constructor(
    asking: Asking,
    request: ReceiveRequest,
    signal: AbortSignal,
    watchOf: (leaders: readonly Leader[]) => ConsumerWatch,
  ) {
    this.#asking = asking
    this.#request = request
    this.#signal = signal
    this.#watchOf = watchOf
    this.#end = this.#now() + (request.wait ?? Number.POSITIVE_INFINITY)
  }

  async run(): Promise<ReceiveResponse> {
    const { leaders, anyBroker } = this.#asking
    for (;;) {
      const { leaders: all, complete } = leaders.ofTopic(this.#request.topicId)
      let response: ReceiveResponse | undefined
      if (anyBroker !== undefined && !complete) response = await this.#askAny()
      else if (complete && all.length === 1) response = await this.#askOnly(all[0]!)
      else response = await this.#askAll(all)
      if (response !== undefined && response.deliveries.length > 0) return response
      if (this.#signal.aborted) throw this.#aborted()
      if (this.#left <= 0) return EMPTY
    }
  }

  /** One broker leads all: it is asked as if it were alone, for as long as that is so. */
  async #askOnly(leader: Leader): Promise<ReceiveResponse | undefined> {
    const { leaders } = this.#asking
    const { topicId } = this.#request
    const cut = new AbortController()
    const unlisten = onAbort(this.#signal, () => cut.abort(this.#signal.reason))
    const forget = leaders.onChange(() => {
      const { leaders: now, complete } = leaders.ofTopic(topicId)
      if (!complete || now.length !== 1 || now[0] !== leader) cut.abort()
    })
    const held = this.#heldFor(leader)
    try {
      const wait = Math.min(this.#left, HINT_WAIT)
      const until = this.#now() + wait
      const request = { ...this.#request, held, wait, id: undefined }
      const response = await leader.service.receive(request, passedOn({ signal: cut.signal }))
      leaders.heard(leader, topicId, [])
      // A timer may fire a little early.
      if (response.deliveries.length === 0 && Math.ceil(this.#now()) < until) leaders.departed(topicId)
      return response
    } catch (error) {
      if (this.#signal.aborted) throw this.#aborted()
      if (cut.signal.aborted && isPortalError(error, 'ABORTED')) {
        this.#told.delete(leader)
        return undefined
      }
      leaders.heard(leader, topicId, undefined, error)
      throw error
    } finally {
      forget()
      unlisten()
    }
  }

  /** Until the leaders are known any broker passes the call on, to all of them. */
  async #askAny(): Promise<ReceiveResponse> {
    const held = this.#told.size === 0 ? this.#request.held : undefined
    const wait = Math.min(this.#left, HINT_WAIT / 2)
    const request = { ...this.#request, held, wait, id: undefined }
    for (const leader of this.#asking.leaders.ofTopic(this.#request.topicId).leaders) this.#told.add(leader)
    return this.#asking.anyBroker!.receive(request, { signal: this.#signal })
  }

  /** Asks those that may have something, one after the other; then sleeps until another may. */
  async #askAll(all: readonly Leader[]): Promise<ReceiveResponse | undefined> {
    const watch = this.#watchOf(all)
    watch.users++
    try {
      this.#compareHeld(watch, all)
      if (this.#isHasty && watch.isComparing) await this.#sleep(watch, COMPARED_WITHIN)
      for (let leader = watch.next(this.#asked); leader; leader = watch.next(this.#asked)) {
        const response = await this.#askOne(watch, leader)
        if (response.deliveries.length > 0 || this.#signal.aborted) return response
      }
      if (this.#left > 0) await this.#sleep(watch, this.#left)
      return undefined
    } finally {
      watch.users--
    }
  }

  #compareHeld(watch: ConsumerWatch, all: readonly Leader[]): void {
    const { held } = this.#request
    if (held === undefined) return
    for (const leader of all) {
      if (this.#told.has(leader)) continue
      this.#told.add(leader)
      watch.compare(leader, held, () => this.#told.delete(leader))
    }
  }

  async #askOne(watch: ConsumerWatch, leader: Leader): Promise<ReceiveResponse> {
    if (this.#isHasty) this.#asked.add(leader)
    const request = { ...this.#request, id: undefined, held: undefined, wait: 0 }
    const { leaders } = this.#asking
    try {
      const response = await leader.service.receive(request, passedOn({ signal: this.#signal }))
      const something = response.deliveries.length > 0
      leaders.heard(leader, this.#request.topicId, [])
      if (something || !this.#isHasty) watch.had(leader, something)
      return response
    } catch (error) {
      // It may have granted what nobody hears of: the consumer must say what it holds.
      leaders.heard(leader, this.#request.topicId, undefined, error)
      throw error
    }
  }

  /** Until a leader may have something, or there are others. */
  async #sleep(watch: ConsumerWatch, timeout: number): Promise<void> {
    const { leaders } = this.#asking
    const ends = { timeout, signal: this.#signal }
    try {
      await sleepUntil<true>(leaders.runtime.timers, 'receive', ends, (resolve) => {
        const wake = () => resolve(true)
        const forget = watch.onWake(wake)
        const forgetChange = leaders.onChange((topicId) => {
          if (topicId === undefined || topicId === this.#request.topicId) wake()
        })
        return () => {
          forget()
          forgetChange()
        }
      })
    } catch (error) {
      if (!this.#signal.aborted) throw error
    }
  }

  #heldFor(leader: Leader): readonly HeldToken[] | undefined {
    if (this.#told.has(leader)) return undefined
    this.#told.add(leader)
    return this.#request.held
  }

  get #isHasty(): boolean {
    return this.#request.wait === 0
  }

  get #left(): number {
    return Math.max(0, this.#end - this.#now())
  }

  #now(): number {
    return this.#asking.leaders.runtime.clock.monotonic()
  }

  #aborted(): PortalError<'ABORTED'> {
    const { reason } = this.#signal
    return isPortalError(reason, 'ABORTED') ? reason : abortedError('The call receive', this.#signal)
  }
}
