import { isPortalError, type PortalError } from '../../core/errors.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { BasicRequest, Fed, Feed, Session, Wanted } from '../../protocol/feed.js'
import type {
  HeldToken,
  ReceiveRequest,
  ReceiveResponse,
  RemoteService,
  StreamCredit,
} from '../../protocol/service.js'
import type { Runtime, Timer } from '../../runtime/runtime.js'
import { retryDelay } from '../backoff.js'
import { asPortalError } from '../client-side.js'
import type { Holdings } from './holdings.js'
import type { ResolvedConsumerOptions } from './options.js'
import type { Sessions } from './session.js'

/** What a fetcher asks of the consumer that it brings messages to, and tells it. */
export interface FetchingConsumer {
  readonly side: ClientSide
  readonly options: ResolvedConsumerOptions
  readonly sessions: Sessions
  readonly holdings: Pick<Holdings, 'tokens' | 'loseSession'>
  /** Aborts when no more is received. */
  readonly ending: AbortSignal
  /** How many messages, and bytes, there is room for when `outstanding` are on their way; undefined: nobody wants any. */
  wanted(outstanding: number): Wanted | undefined
  /** Takes what was leased; returns how many messages came. `all`: it was as much as was asked for. */
  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number
  /** It cannot go on: whoever waits hears of it. */
  broke(error: PortalError): void
  /** Something has changed: the next turn looks at it. */
  wantTurn(): void
}

/**
 * Asks the broker for messages: one receive after the other, if the connection has no feed that does it otherwise. It joins the group first, tries
 * again after failures, and makes good what a lost answer granted.
 */
export class Fetcher implements Fed {
  readonly service: RemoteService
  readonly runtime: Runtime
  readonly #consumer: FetchingConsumer
  #receiving: AbortController | undefined
  readonly #feed: Feed | undefined
  #joining = false
  #retry: Timer | undefined
  #failures = 0
  /** Requests under way, of loops and of single messages. */
  #receives = 0
  /** One has failed or was given up: it may have granted what nobody knows of. */
  #answerLost = false

  constructor(consumer: FetchingConsumer) {
    this.#consumer = consumer
    const { service, runtime, feed } = consumer.side
    this.service = service
    this.runtime = runtime
    this.#feed = feed?.(this)
  }

  /** Before a turn's settlements go out. */
  prepare(): void {
    this.#feed?.prepare()
  }

  /** What the settlements are to carry. */
  readonly takeCredit = (): StreamCredit | undefined => this.#feed?.takeCredit()

  /** After a turn's settlements have gone out: they made room, and the request for more rides in the same commit. */
  fetch(): void {
    if (this.#feed !== undefined) return this.#feed.fetch()
    if (this.#receiving !== undefined) return
    const wanted = this.wanted(0)
    const session = wanted && this.session()
    if (session !== undefined) this.#receive(session, wanted!.messages, Math.floor(wanted!.bytes))
  }

  /** Nobody wants messages any more: what is on its way still comes. */
  stop(): void {
    this.#receiving?.abort()
    this.#feed?.stop()
    this.#retry?.cancel()
    this.#retry = undefined
  }

  /** Asks the broker once. */
  async receive(
    session: Session,
    wanted: Pick<ReceiveRequest, 'maxMessages' | 'maxBytes' | 'wait'>,
    signal: AbortSignal,
  ): Promise<ReceiveResponse> {
    const request = { ...this.begin(session), ...wanted }
    let answerLost = true
    try {
      const response = await this.service.receive(request, { signal })
      answerLost = false
      return response
    } finally {
      this.end(answerLost)
    }
  }

  /** What both loops and `receive` do about an error: true if it is worth another try. */
  survives(session: Session | undefined, error: PortalError): boolean {
    const { ending, sessions } = this.#consumer
    if (ending.aborted) return false
    if (isPortalError(error, 'GROUP_NOT_FOUND', 'TOPIC_NOT_FOUND')) {
      if (session === undefined) return false
      sessions.leave(session)
      this.#consumer.holdings.loseSession(session)
      return true
    }
    return error.retriable
  }

  #receive(session: Session, maxMessages: number, maxBytes: number): void {
    const controller = new AbortController()
    this.#receiving = controller
    this.receive(session, { maxMessages, maxBytes }, controller.signal).then(
      (response) => {
        this.#receiving = undefined
        this.arrived(session, response, (count) => count >= maxMessages)
      },
      (thrown: unknown) => {
        this.#receiving = undefined
        if (controller.signal.aborted) this.wantTurn()
        else this.failed(session, thrown)
      },
    )
  }

  // What a feed asks ---------------------------------------------------------------------------------------------------

  /** Nothing while a failure is waited out or the group is joined. */
  wanted(outstanding: number): Wanted | undefined {
    return this.#retry !== undefined || this.#joining ? undefined : this.#consumer.wanted(outstanding)
  }

  session(): Session | undefined {
    const { sessions } = this.#consumer
    if (sessions.current !== undefined) return sessions.current
    this.#joining = true
    sessions.join().then(
      () => {
        this.#joining = false
        this.wantTurn()
      },
      (error: unknown) => {
        this.#joining = false
        this.#consumer.broke(asPortalError(error))
      },
    )
    return undefined
  }

  /** After an answer was lost, and while no other is on its way, it says what is held, for the broker to compare. */
  begin(session: Session): BasicRequest {
    const { group, consumerId, lease } = this.#consumer.options
    const { topicId, generation } = session
    let held: HeldToken[] | undefined
    if (this.#answerLost && this.#receives === 0) {
      this.#answerLost = false
      held = this.#consumer.holdings.tokens(session)
    }
    this.#receives++
    return { topicId, group, generation, consumer: consumerId, lease, held }
  }

  end(answerLost: boolean): void {
    this.#receives--
    this.#answerLost ||= answerLost
  }

  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number {
    this.#failures = 0
    return this.#consumer.arrived(session, response, all)
  }

  failed(session: Session, thrown: unknown): void {
    const error = asPortalError(thrown)
    if (!this.survives(session, error)) return this.#consumer.broke(error)
    // The group was moved: join it again at once, but do not run in circles.
    this.#failures++
    if (!error.retriable && this.#failures === 1) return this.wantTurn()
    const { timers, random } = this.runtime
    this.#retry = timers.setTimeout(
      () => {
        this.#retry = undefined
        this.wantTurn()
      },
      retryDelay(this.#failures, random),
    )
  }

  wantTurn(): void {
    this.#consumer.wantTurn()
  }
}
