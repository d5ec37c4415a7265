import { isPortalError } from '../../core/errors.js'
import type { Fed, Feed, Session } from '../../protocol/feed.js'
import type { StreamCredit, StreamService } from '../../protocol/service.js'
import { randomId } from '../../runtime/runtime.js'
import { untilItSucceeds } from '../backoff.js'
import { ConsumerStream } from './stream.js'

/** Instead of one receive after the other a stream, which is allowed more and more. */
export class StreamFeed implements Feed {
  readonly #fed: Fed
  readonly #service: StreamService
  #stream: ConsumerStream | undefined

  constructor(fed: Fed) {
    this.#fed = fed
    // Whoever made the connection with a feed has given it a service with streams.
    this.#service = fed.service as StreamService
  }

  prepare(): void {
    const stream = this.#stream
    // One that ends may still bring something.
    if (stream?.controller.signal.aborted) return
    const wanted = this.#fed.wanted(stream?.outstanding ?? 0)
    if (wanted === undefined) return
    if (stream !== undefined) return stream.allow(wanted.messages, wanted.bytes)
    const session = this.#fed.session()
    if (session === undefined) return
    const opened = new ConsumerStream(randomId(this.#fed.runtime.random))
    opened.allow(wanted.messages, wanted.bytes)
    this.#stream = opened
    void this.#listen(opened, session)
  }

  /** A stream that is not open yet has its own. */
  takeCredit(): StreamCredit | undefined {
    return this.#stream?.isOpen ? this.#stream.takeCredit() : undefined
  }

  /** Credit goes by itself until it has arrived or the stream is gone. */
  fetch(): void {
    const stream = this.#stream
    const credit = this.takeCredit()
    if (stream === undefined || credit === undefined) return
    const { signal } = stream.controller
    const tell = () => this.#service.addCredit(credit, { signal })
    untilItSucceeds(this.#fed.runtime, Number.POSITIVE_INFINITY, signal, tell).catch(() => {
      // The stream itself says what is wrong.
    })
  }

  stop(): void {
    this.#stream?.controller.abort()
  }

  async #listen(stream: ConsumerStream, session: Session): Promise<void> {
    const { signal } = stream.controller
    const request = { ...this.#fed.begin(session), stream: stream.id, credit: stream.takeCredit()! }
    let failure: unknown
    let answers = 0
    try {
      for await (const response of this.#service.receiveStream(request, { signal })) {
        answers++
        const all = (count: number) => count > 0 && stream.outstanding <= count
        stream.arrived(response, this.#fed.arrived(session, response, all))
      }
    } catch (error) {
      failure = error
    }
    // Its first answer says that it is open: what is held was compared by the second.
    this.#fed.end(failure !== undefined || (request.held !== undefined && answers < 2))
    stream.controller.abort()
    this.#stream = undefined
    if (failure === undefined || isPortalError(failure, 'ABORTED')) this.#fed.wantTurn()
    else this.#fed.failed(session, failure)
  }
}
