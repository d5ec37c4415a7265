import { isPortalError } from '../../core/errors.js'
import type { ClientSide } from '../../protocol/connection.js'
import type { Session } from '../../protocol/feed.js'
import type { TopicRoute } from '../../protocol/service.js'
import { pause, retryDelay } from '../backoff.js'
import { asPortalError } from '../client-side.js'
import type { ResolvedConsumerOptions } from './options.js'

/** Milliseconds after which waiting for a topic is worth a warning. */
const WARN_AFTER = 5_000

/** Finds the topic, joins the group, and joins again when the group has moved. */
export class Sessions {
  readonly #side: ClientSide
  readonly #topic: string
  readonly #options: ResolvedConsumerOptions
  /** Ends every wait. */
  readonly #ending: AbortSignal
  /** The topic whose group this consumer has been in: it is not made a second time. */
  #joinedTopicId: string | undefined
  #current: Session | undefined
  #joining: Promise<Session> | undefined

  constructor(side: ClientSide, topic: string, options: ResolvedConsumerOptions, ending: AbortSignal) {
    this.#side = side
    this.#topic = topic
    this.#options = options
    this.#ending = ending
  }

  get current(): Session | undefined {
    return this.#current
  }

  /** The session is over: its group was moved or deleted. */
  leave(session: Session): void {
    if (this.#current === session) this.#current = undefined
  }

  /** Where there is no session: sleeps until there is such a topic. Rejects with GROUP_CONFLICT, GROUP_NOT_FOUND (it was deleted), and when the consumer
   * ends. */
  join(): Promise<Session> {
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined
    })
    return this.#joining
  }

  async #join(): Promise<Session> {
    const { runtime } = this.#side
    for (let failures = 1; ; failures++) {
      try {
        const route = await this.#findTopic()
        this.#current = await this.#joinGroup(route)
        return this.#current
      } catch (thrown) {
        if (this.#ending.aborted) throw this.#ending.reason
        const error = asPortalError(thrown)
        const deletedMeanwhile = isPortalError(error, 'TOPIC_NOT_FOUND')
        if (!error.retriable && !deletedMeanwhile) throw error
      }
      await pause(runtime.timers, retryDelay(failures, runtime.random), this.#ending)
    }
  }

  /** It warns of what a broker has said: an answer that is late says nothing. */
  async #findTopic(): Promise<TopicRoute> {
    const find = (wait: number) =>
      this.#side.service.findTopic({ name: this.#topic, wait }, { signal: this.#ending })
    try {
      return await find(WARN_AFTER)
    } catch (error) {
      if (!isPortalError(error, 'TOPIC_NOT_FOUND')) throw error
    }
    this.#side.logger.warn(
      { topic: this.#topic, group: this.#options.group },
      `Topic '${this.#topic}' does not exist: group '${this.#options.group}' waits for the first send.`,
    )
    return find(Number.POSITIVE_INFINITY)
  }

  async #joinGroup(route: TopicRoute): Promise<Session> {
    const { group, settings, from } = this.#options
    const create = this.#joinedTopicId !== route.topicId
    const joined = await this.#side.service.joinGroup(
      { topic: this.#topic, group, settings, from, create },
      { signal: this.#ending },
    )
    this.#joinedTopicId = joined.topicId
    return { topic: this.#topic, topicId: joined.topicId, generation: joined.generation }
  }
}
