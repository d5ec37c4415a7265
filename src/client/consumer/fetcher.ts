import { isPortalError, type PortalError } from '../../core/errors.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { HeldToken, ReceiveRequest, ReceiveResponse, StreamCredit } from '../../protocol/service.js'
import { randomId, type Timer } from '../../runtime/runtime.js'
import { retryDelay, untilItSucceeds } from '../backoff.js'
import { asPortalError } from '../client-side.js'
import type { ResolvedConsumerOptions } from './options.js'
import type { Session, Sessions } from './session.js'
import { ConsumerStream } from './stream.js'

/** What a fetcher asks of the consumer that it brings messages to, and tells it. */
export interface FetchingConsumer {
  readonly side: ClientSide
  readonly options: ResolvedConsumerOptions
  readonly sessions: Sessions
  /** Aborts when no more is received. */
  readonly ending: AbortSignal
  /** How many messages, and bytes, there is room for when `outstanding` are on their way; undefined: nobody wants any. */
  wanted(outstanding: number): { readonly messages: number; readonly bytes: number } | undefined
  /** The leases whose messages wait, are in hand, or are about to be settled. */
  heldTokens(session: Session): HeldToken[]
  /** Takes what was leased; returns how many messages came. `all`: it was as much as was asked for. */
  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number
  /** Everything that the session leased is lost. */
  loseSession(session: Session): void
  /** It cannot go on: whoever waits hears of it. */
  broke(error: PortalError): void
  /** Something has changed: the next turn looks at it. */
  wantTurn(): void
}

/**
 * Asks the broker for messages: one receive after the other, or a stream that is allowed more and more. It joins the group first, tries again
 * after failures, and makes good what a lost answer granted.
 */
export class Fetcher {
  readonly #consumer: FetchingConsumer
  #receiving: AbortController | undefined
  /** Instead of one receive after the other, where there are streams. */
  #stream: ConsumerStream | undefined
  #joining = false
  #retry: Timer | undefined
  #failures = 0
  /** Receives under way, of loops and of single messages. */
  #receives = 0
  /** A receive has failed or was given up: it may have granted what nobody knows of. */
  #answerLost = false

  constructor(consumer: FetchingConsumer) {
    this.#consumer = consumer
  }

  /** Before a turn's settlements go out: a stream is allowed what there is room for, so that they can carry it. */
  prepare(): void {
    if (!this.#consumer.side.streams || this.#isWaiting) return
    const stream = this.#stream
    // One that ends may still bring something.
    if (stream?.controller.signal.aborted) return
    const wanted = this.#consumer.wanted(stream?.outstanding ?? 0)
    if (wanted === undefined) return
    if (stream !== undefined) return stream.allow(wanted.messages, wanted.bytes)
    const session = this.#session()
    if (session === undefined) return
    const opened = new ConsumerStream(randomId(this.#consumer.side.runtime.random))
    opened.allow(wanted.messages, wanted.bytes)
    this.#stream = opened
    void this.#listen(opened, session)
  }

  /** Credit for the next settlements to carry; a stream that is not open yet has its own. */
  readonly takeCredit = (): StreamCredit | undefined =>
    this.#stream?.isOpen ? this.#stream.takeCredit() : undefined

  /** After a turn's settlements have gone out: they made room, and the request for more rides in the same commit. */
  fetch(): void {
    if (this.#consumer.side.streams) return this.#tellCredit()
    if (this.#receiving !== undefined || this.#isWaiting) return
    const wanted = this.#consumer.wanted(0)
    const session = wanted && this.#session()
    if (session !== undefined) this.#receive(session, wanted!.messages, Math.floor(wanted!.bytes))
  }

  /** Nobody wants messages any more: what is on its way still comes. */
  stop(): void {
    this.#receiving?.abort()
    this.#stream?.controller.abort()
    this.#retry?.cancel()
    this.#retry = undefined
  }

  /** Asks the broker once. After one that failed, and while no other receive is under way, it says what is held. */
  async receive(
    session: Session,
    wanted: Pick<ReceiveRequest, 'maxMessages' | 'maxBytes' | 'wait'>,
    signal: AbortSignal,
  ): Promise<ReceiveResponse> {
    const request = { ...this.#request(session), held: this.#recover(session), ...wanted }
    this.#receives++
    try {
      return await this.#consumer.side.service.receive(request, { signal })
    } catch (error) {
      this.#answerLost = true
      throw error
    } finally {
      this.#receives--
    }
  }

  /** What both loops and `receive` do about an error: true if it is worth another try. */
  survives(session: Session | undefined, error: PortalError): boolean {
    const { ending, sessions } = this.#consumer
    if (ending.aborted) return false
    if (error.code === 'GROUP_NOT_FOUND' || error.code === 'TOPIC_NOT_FOUND') {
      if (session === undefined) return false
      sessions.leave(session)
      this.#consumer.loseSession(session)
      return true
    }
    return error.retriable
  }

  // Receives -----------------------------------------------------------------------------------------------------------

  #receive(session: Session, maxMessages: number, maxBytes: number): void {
    const controller = new AbortController()
    this.#receiving = controller
    this.receive(session, { maxMessages, maxBytes }, controller.signal).then(
      (response) => {
        this.#receiving = undefined
        this.#failures = 0
        this.#consumer.arrived(session, response, (count) => count >= maxMessages)
      },
      (thrown: unknown) => {
        this.#receiving = undefined
        if (controller.signal.aborted) this.#consumer.wantTurn()
        else this.#tryAgain(session, asPortalError(thrown))
      },
    )
  }

  #request(session: Session) {
    const { group, consumerId, lease } = this.#consumer.options
    return { topicId: session.topicId, group, generation: session.generation, consumer: consumerId, lease }
  }

  // Streams ------------------------------------------------------------------------------------------------------------

  /** What no settlement carried goes by itself, until it has arrived or the stream is gone. */
  #tellCredit(): void {
    const stream = this.#stream
    const credit = this.takeCredit()
    if (stream === undefined || credit === undefined) return
    const { runtime, service } = this.#consumer.side
    const { signal } = stream.controller
    const tell = () => service.addCredit(credit, { signal })
    untilItSucceeds(runtime, Number.POSITIVE_INFINITY, signal, tell).catch(() => {
      // The stream itself says what is wrong.
    })
  }

  async #listen(stream: ConsumerStream, session: Session): Promise<void> {
    const { signal } = stream.controller
    const request = {
      ...this.#request(session),
      held: this.#recover(session),
      stream: stream.id,
      credit: stream.takeCredit()!,
    }
    let failure: unknown
    let answers = 0
    this.#receives++
    try {
      for await (const response of this.#consumer.side.service.receiveStream(request, { signal })) {
        this.#failures = 0
        answers++
        const all = (count: number) => count > 0 && stream.outstanding <= count
        stream.arrived(response, this.#consumer.arrived(session, response, all))
      }
    } catch (error) {
      failure = error
    }
    this.#receives--
    // Its first answer says that it is open: what is held was compared by the second.
    if (failure !== undefined || (request.held !== undefined && answers < 2)) this.#answerLost = true
    stream.controller.abort()
    this.#stream = undefined
    if (failure === undefined || isPortalError(failure, 'ABORTED')) this.#consumer.wantTurn()
    else this.#tryAgain(session, asPortalError(failure))
  }

  // Failures -----------------------------------------------------------------------------------------------------------

  get #isWaiting(): boolean {
    return this.#retry !== undefined || this.#joining
  }

  /** The session, or undefined while it is joined. */
  #session(): Session | undefined {
    const { sessions } = this.#consumer
    if (sessions.current !== undefined) return sessions.current
    this.#joining = true
    sessions.join().then(
      () => {
        this.#joining = false
        this.#consumer.wantTurn()
      },
      (error: unknown) => {
        this.#joining = false
        this.#consumer.broke(asPortalError(error))
      },
    )
    return undefined
  }

  /** What is held, for the broker to compare, if an answer was lost and no other is on its way. */
  #recover(session: Session): HeldToken[] | undefined {
    if (!this.#answerLost || this.#receives > 0) return undefined
    this.#answerLost = false
    return this.#consumer.heldTokens(session)
  }

  #tryAgain(session: Session, error: PortalError): void {
    if (!this.survives(session, error)) return this.#consumer.broke(error)
    // The group was moved: join it again at once, but do not run in circles.
    this.#failures++
    if (!error.retriable && this.#failures === 1) return this.#consumer.wantTurn()
    const { timers, random } = this.#consumer.side.runtime
    this.#retry = timers.setTimeout(
      () => {
        this.#retry = undefined
        this.#consumer.wantTurn()
      },
      retryDelay(this.#failures, random),
    )
  }
}
