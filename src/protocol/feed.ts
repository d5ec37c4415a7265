import type { Runtime } from '../runtime/runtime.js'
import type { ReceiveRequest, ReceiveResponse, RemoteService, StreamCredit } from './service.js'

/** A consumer's place in one generation of its group. */
export interface Session {
  readonly topic: string
  readonly topicId: string
  readonly generation: number
}

/** Brings messages to a consumer in another way than by one receive after the other. Every turn of the consumer calls its methods in their order. */
export interface Feed {
  /** Before the turn's settlements go out: they can carry what it has to say. */
  prepare(): void
  /** What settlements are to carry. */
  takeCredit(): StreamCredit | undefined
  /** After the settlements have gone out: what none of them carried goes by itself. */
  fetch(): void
  /** Nobody wants messages any more: what is on its way still comes. */
  stop(): void
}

/** What a feed asks of the consumer's fetcher, and tells it. */
export interface Fed {
  readonly service: RemoteService
  readonly runtime: Runtime
  /** How many messages, and bytes, to ask for when `outstanding` are on their way; undefined: none now. */
  wanted(outstanding: number): Wanted | undefined
  /** In which to ask; undefined while the group is joined. */
  session(): Session | undefined
  /** It asks: what every request says. */
  begin(session: Session): BasicRequest
  /** It asks no more. `answerLost`: it may have been granted what nobody knows of. */
  end(answerLost: boolean): void
  /** Takes what was leased; returns how many messages came. `all`: it was as much as was asked for. */
  arrived(session: Session, response: ReceiveResponse, all: (count: number) => boolean): number
  /** It broke: it is tried again later, or the consumer hears of it. */
  failed(session: Session, error: unknown): void
  /** Something has changed: the next turn looks at it. */
  wantTurn(): void
}

export interface Wanted {
  readonly messages: number
  readonly bytes: number
}

export type BasicRequest = Omit<ReceiveRequest, 'maxMessages' | 'maxBytes' | 'wait' | 'id'>

export type OpenFeed = (fed: Fed) => Feed
