import { isPortalError } from '../core/errors.js'
import type { CallOptions, ReceiveResponse, StreamCredit, StreamRequest } from '../protocol/service.js'
import { onAbort } from '../runtime/on-abort.js'
import { type Leader, type Leaders, passedOn } from './leaders.js'
import { HEARTBEAT, type Receive, type ReceiveStreams } from './receive-streams.js'

/** A stream that says nothing so soon (ms) after its last word has something to say by it: some of what its leader led has moved away. */
const SOON = HEARTBEAT / 2

/** Streams from the one leader of a topic where there is one; where there are several, receives that follow one another. */
export class LeaderStreams {
  readonly #leaders: Leaders
  readonly #overReceives: ReceiveStreams
  readonly #receive: Receive
  /** Of those that a leader has. */
  readonly #places = new Map<string, Leader>()

  constructor(leaders: Leaders, overReceives: ReceiveStreams, receive: Receive) {
    this.#leaders = leaders
    this.#overReceives = overReceives
    this.#receive = receive
  }

  /** The leader that has the stream; undefined: it is here, or nowhere. */
  leaderOf(stream: string): Leader | undefined {
    return this.#places.get(stream)
  }

  /** It ends when others lead: whoever listens opens another. */
  run(request: StreamRequest, call: CallOptions): AsyncIterable<ReceiveResponse> {
    const leader = this.#onlyLeader(request.topicId)
    return leader ? this.#runAt(leader, request, call) : this.#runOverReceives(request, call)
  }

  async raise(credit: StreamCredit, call: CallOptions | undefined): Promise<void> {
    this.#overReceives.raise(credit)
    await this.#places.get(credit.stream)?.service.addCredit(credit, passedOn(call))
  }

  async end(stream: string, call: CallOptions | undefined): Promise<void> {
    this.#overReceives.end(stream)
    await this.#places.get(stream)?.service.endStream({ stream }, passedOn(call))
  }

  async *#runOverReceives(
    request: StreamRequest,
    call: CallOptions,
  ): AsyncGenerator<ReceiveResponse, void, undefined> {
    const forget = this.#leaders.onChange(() => {
      if (this.#onlyLeader(request.topicId) !== undefined) this.#overReceives.end(request.stream)
    })
    try {
      yield* this.#overReceives.run(request, this.#receive, call)
    } finally {
      forget()
    }
  }

  async *#runAt(
    leader: Leader,
    request: StreamRequest,
    { signal }: CallOptions,
  ): AsyncGenerator<ReceiveResponse, void, undefined> {
    const { stream, topicId } = request
    const cut = new AbortController()
    if (signal?.aborted) return
    const unlisten = onAbort(signal, () => cut.abort(signal?.reason))
    const forget = this.#leaders.onChange(() => {
      if (this.#onlyLeader(topicId) !== leader) cut.abort()
    })
    this.#places.set(stream, leader)
    const { clock } = this.#leaders.runtime
    let heardAt: number | undefined
    try {
      for await (const response of leader.service.receiveStream(request, passedOn({ signal: cut.signal }))) {
        this.#leaders.heard(leader, topicId, [])
        const now = clock.monotonic()
        const isSoon = heardAt !== undefined && now - heardAt < SOON
        heardAt = now
        if (isSoon && response.deliveries.length === 0) this.#leaders.departed(topicId)
        // A route that has grown old is asked for again: brokers of before do not say that another leads something, too.
        this.#leaders.ofTopic(topicId)
        yield response
      }
    } catch (error) {
      if (cut.signal.aborted && isPortalError(error, 'ABORTED')) return
      this.#leaders.heard(leader, topicId, undefined, error)
      throw error
    } finally {
      this.#places.delete(stream)
      forget()
      unlisten()
    }
  }

  #onlyLeader(topicId: string): Leader | undefined {
    const { leaders, complete } = this.#leaders.ofTopic(topicId)
    const [only, ...others] = complete ? leaders : []
    // Not every carrier has streams.
    return others.length === 0 && (only?.service.receiveStream as unknown) ? only : undefined
  }
}
