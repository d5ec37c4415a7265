import { isPortalError, PortalError } from '../core/errors.js'
import type { HeldToken, ReceiveRequest } from '../protocol/service.js'
import { retryDelay } from '../runtime/pause.js'
import { type Leader, type Leaders, passedOn } from './leaders.js'

/** How long a hint is parked at a leader (ms): shorter than what is silent is cut, and as long as a lost one can hold up a consumer. */
export const HINT_WAIT = 10_000

/** A leader as one consumer sees it. */
interface Watched {
  readonly leader: Leader
  /** Hints that are parked there, or will be: until they are answered there is nothing to be had. */
  hints: number
  /** It does not know yet which leases its consumer knows: it must grant nothing before. */
  comparing: boolean
  /** Hints in a row that brought nothing. */
  falseAlarms: number
}

/**
 * What one consumer knows of the leaders of its topic: which may have something, and at which a hint is parked that leases nothing and is answered
 * when there is something. Hints stay parked from one receive to the next, so that a busy consumer parks none and an idle one asks nobody twice.
 */
export class ConsumerWatch {
  /** Receives under way. */
  users = 0
  readonly #leaders: Leaders
  readonly #request: ReceiveRequest
  readonly #closed: AbortSignal
  readonly #watched = new Map<Leader, Watched>()
  readonly #wakes = new Set<() => void>()
  #turn: number
  /** What a hint was refused with that asking again does not mend. */
  #failure: unknown

  constructor(leaders: Leaders, request: ReceiveRequest, closed: AbortSignal, turn: number) {
    this.#leaders = leaders
    this.#request = { ...request, id: undefined, held: undefined, hint: true, wait: HINT_WAIT }
    this.#closed = closed
    this.#turn = turn
  }

  /** Whether it knows nothing that the next receive could not find out. */
  get isIdle(): boolean {
    if (this.users > 0) return false
    for (const { hints } of this.#watched.values()) if (hints > 0) return false
    return true
  }

  /** The leaders are these now. */
  update(leaders: readonly Leader[]): void {
    for (const known of this.#watched.keys()) if (!leaders.includes(known)) this.#watched.delete(known)
    for (const leader of leaders) {
      if (!this.#watched.has(leader))
        this.#watched.set(leader, { leader, hints: 0, comparing: false, falseAlarms: 0 })
    }
  }

  /** A leader that may have something, another one first each time; none of `except`. Throws what a hint was refused with. */
  next(except: ReadonlySet<Leader>): Leader | undefined {
    this.#throwFailure()
    const all = [...this.#watched.values()]
    for (let step = 0; step < all.length; step++) {
      const { leader, hints, comparing } = all[(this.#turn + step) % all.length]!
      if (hints > 0 || comparing || except.has(leader)) continue
      this.#turn = (this.#turn + step + 1) % all.length
      return leader
    }
    return undefined
  }

  /** Every leader compares what the consumer holds of its partitions before it is asked for more. */
  compare(leader: Leader, held: readonly HeldToken[], failed: () => void): void {
    const watched = this.#watched.get(leader)!
    watched.comparing = true
    // A hint that waits for nothing says `held`, and leases nothing.
    leader.service.receive({ ...this.#request, held, wait: 0 }, passedOn({ signal: this.#closed })).then(
      () => {
        watched.comparing = false
        this.#wake()
      },
      (error: unknown) => {
        failed()
        this.#failed(watched, error)
      },
    )
  }

  /** Whether a leader has not compared yet. */
  get isComparing(): boolean {
    return [...this.#watched.values()].some(({ comparing }) => comparing)
  }

  had(leader: Leader, something: boolean): void {
    const watched = this.#watched.get(leader)
    if (watched === undefined) return
    if (something) watched.falseAlarms = 0
    else this.#park(watched)
  }

  /** Calls back when the next leader may have something. Returns what forgets it. */
  onWake(wake: () => void): () => void {
    this.#wakes.add(wake)
    return () => this.#wakes.delete(wake)
  }

  #park(watched: Watched): void {
    watched.hints++
    const { timers, random, clock } = this.#leaders.runtime
    const park = (): void => {
      const since = clock.monotonic()
      watched.leader.service.receive(this.#request, passedOn({ signal: this.#closed })).then(
        () => {
          watched.hints--
          if (clock.monotonic() - since < HINT_WAIT) watched.falseAlarms++
          this.#wake()
        },
        (error: unknown) => {
          watched.hints--
          if (!isPortalError(error, 'NOT_LEADER')) return this.#failed(watched, error)
          // It may lead the rest as before: whoever asks it next hears of that.
          this.#leaders.departed(this.#request.topicId)
          this.#wake()
        },
      )
    }
    // Others are faster, or it has what this consumer cannot have: it must not be asked in circles.
    const delay = watched.falseAlarms < 2 ? 0 : retryDelay(Math.min(watched.falseAlarms - 1, 3), random)
    if (delay === 0) park()
    else timers.setTimeout(park, delay)
  }

  #failed(watched: Watched, error: unknown): void {
    // Its doubts keep it from being asked; when they are over it is a new one, which has compared nothing.
    if (this.#watched.get(watched.leader) === watched) this.#watched.delete(watched.leader)
    this.#leaders.heard(watched.leader, this.#request.topicId, undefined, error)
    if (!isPortalError(error) || !error.retriable) {
      if (this.users > 0) this.#failure = error
    }
    this.#wake()
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined)
      throw isPortalError(failure)
        ? failure
        : new PortalError('DISCONNECTED', `A broker failed in an unforeseen way: ${failure}`)
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake()
  }
}
