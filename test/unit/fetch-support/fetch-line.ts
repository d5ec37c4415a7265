import type { FetchServer } from '../../../src/broker/replication/fetch-server.js'
import { abortedError, PortalError } from '../../../src/core/errors.js'
import type { FetchRequest, FetchResponse, PeerService } from '../../../src/protocol/peer-service.js'
import type { CallOptions } from '../../../src/protocol/service.js'
import { peerMethods } from '../../../src/protocol/wire/peer.js'
import { pause } from '../../../src/runtime/pause.js'
import type { VirtualRuntime } from '../../../src/runtime/virtual.js'

const { encodeRequest, decodeRequest, encodeAnswer, decodeAnswer } = peerMethods.fetch

/** How fetches reach a leader: late, twice, or not at all. */
export class FetchLine {
  server: FetchServer
  /** Shares of requests. */
  readonly faults = { lostRequests: 0, lostAnswers: 0, doubled: 0, late: 0 }
  /** What has come to the leader. */
  readonly requests: FetchRequest[] = []
  /** Bytes of requests and answers. */
  bytes = 0
  /** How fast answers cross, each for itself (bytes a second). */
  speed = Number.POSITIVE_INFINITY
  /** One of the ends is a build before sessions: they are not said, or not read. */
  isOld = false
  /** The leader is a build that knows of one session for each follower: it does not read what is said of another. */
  hasOneSession = false
  readonly #runtime: VirtualRuntime

  constructor(runtime: VirtualRuntime, server: FetchServer) {
    this.#runtime = runtime
    this.server = server
  }

  get peer(): PeerService {
    const fetch = (request: FetchRequest, call: CallOptions = {}) => this.#fetch(request, call)
    return { fetch } as PeerService
  }

  #fetch(request: FetchRequest, { signal }: CallOptions): Promise<FetchResponse> {
    const sent = encodeRequest(this.isOld ? { ...request, session: undefined } : request)
    const chance = (share: number) => this.#runtime.random.float() < share
    const { lostRequests, lostAnswers, doubled, late } = this.faults
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(abortedError('The fetch', signal)), { once: true })
      const lose = () => void this.#wait(5).then(() => reject(disconnected()))
      if (chance(lostRequests)) lose()
      else {
        const isAnswerLost = chance(lostAnswers)
        for (let copies = chance(doubled) ? 2 : 1; copies > 0; copies--)
          void this.#serve(sent, 2).then(isAnswerLost ? lose : resolve, reject)
      }
      // A copy that nobody waits for.
      if (chance(late)) void this.#serve(sent, 3_000).catch(() => {})
    })
  }

  async #serve(sent: Uint8Array, delay: number): Promise<FetchResponse> {
    await this.#wait(delay)
    const said = decodeRequest(sent)
    const session = said.session && { ...said.session, catchUp: said.session.catchUp && !this.hasOneSession }
    const request = { ...said, session }
    this.requests.push(request)
    const answer = encodeAnswer(await this.server.fetch(request))
    this.bytes += sent.length + answer.length
    await this.#wait(2)
    await pause(this.#runtime.timers, (answer.length / this.speed) * 1_000)
    return decodeAnswer(answer)
  }

  async #wait(upTo: number): Promise<void> {
    await pause(this.#runtime.timers, this.#runtime.random.float() * upTo)
  }
}

function disconnected(): PortalError {
  return new PortalError('DISCONNECTED', 'The line is broken.')
}
