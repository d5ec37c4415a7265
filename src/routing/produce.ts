import { isPortalError, PortalError } from '../core/errors.js'
import type {
  CallOptions,
  ProduceBatch,
  ProduceRequest,
  ProduceResponse,
  ProduceResult,
} from '../protocol/service.js'
import { type Asking, byLeader, type CheckPartition, notLed, PATIENCE } from './ask.js'
import { type Leader, passedOn } from './leaders.js'
import { wasNeverSent } from './unsent.js'

/**
 * Sends each batch to the leader of its partition, all of one leader in one request, and puts the results together in order. Nothing is sent twice:
 * a batch whose leader says no has that as its result, for a producer knows what may be repeated.
 */
export async function produceToLeaders(
  asking: Asking,
  request: ProduceRequest,
  call: CallOptions | undefined,
): Promise<ProduceResponse> {
  const results = new Array<ProduceResult>(request.batches.length)
  await new Sending(asking, request, call, results).send(
    request.batches.map((_, place) => place),
    true,
  )
  return { results }
}

class Sending {
  readonly #asking: Asking
  readonly #request: ProduceRequest
  readonly #call: CallOptions | undefined
  readonly #results: ProduceResult[]

  constructor(
    asking: Asking,
    request: ProduceRequest,
    call: CallOptions | undefined,
    results: ProduceResult[],
  ) {
    this.#asking = asking
    this.#request = request
    this.#call = call
    this.#results = results
  }

  async send(places: readonly number[], mayWait: boolean): Promise<void> {
    const groups = byLeader(this.#request.batches, places, (batch) => this.#leaderOf(batch))
    await Promise.all(
      [...groups].map(([leader, group]) => {
        if (leader !== undefined) return this.#sendTo(leader, group)
        if (this.#asking.anyBroker !== undefined) return this.#sendToAny(group)
        return mayWait ? this.#sendOnceLed(group) : this.#refuse(group)
      }),
    )
  }

  #leaderOf({ topicId, partition }: ProduceBatch): Leader | undefined {
    return this.#asking.leaders.of(topicId, partition)
  }

  async #sendTo(leader: Leader, places: readonly number[]): Promise<void> {
    const { leaders } = this.#asking
    const batches = this.#batches(places)
    let answer: readonly ProduceResult[]
    try {
      answer = (await leader.service.produce({ ...this.#request, batches }, passedOn(this.#call))).results
    } catch (thrown) {
      answer = places.map(() => ({ error: asPortalError(thrown) }))
    }
    places.forEach((place, at) => {
      const { topicId, partition } = batches[at]!
      const result = answer[at] ?? { error: incomplete() }
      this.#results[place] = certain(batches[at]!, result)
      leaders.heard(leader, topicId, [partition], result.error)
    })
  }

  /** It passes them on: by what it is told, it knows the leaders sooner than we do. */
  async #sendToAny(places: readonly number[]): Promise<void> {
    const batches = this.#batches(places)
    const { results } = await this.#asking
      .anyBroker!.produce({ ...this.#request, batches }, this.#call)
      .catch((error: unknown) => ({ results: places.map(() => ({ error: asPortalError(error) })) }))
    places.forEach((place, at) => {
      this.#results[place] = certain(batches[at]!, results[at] ?? { error: incomplete() })
    })
  }

  async #sendOnceLed(places: readonly number[]): Promise<void> {
    const { leaders, checkPartition } = this.#asking
    const checked = await Promise.all(places.map((place) => this.#isThere(place, checkPartition)))
    places = places.filter((_, at) => checked[at])
    const areLed = () => places.every((place) => this.#leaderOf(this.#request.batches[place]!) !== undefined)
    try {
      await leaders.until(areLed, PATIENCE, this.#call?.signal)
    } catch (error) {
      for (const place of places) this.#results[place] = { error: asPortalError(error) }
      return
    }
    await this.send(places, false)
  }

  /** If it is not, that is its result. */
  async #isThere(place: number, checkPartition: CheckPartition | undefined): Promise<boolean> {
    const { topicId, partition } = this.#request.batches[place]!
    try {
      await checkPartition?.(topicId, partition)
      return true
    } catch (error) {
      this.#results[place] = { error: asPortalError(error) }
      return false
    }
  }

  async #refuse(places: readonly number[]): Promise<void> {
    for (const place of places) {
      const { topicId, partition } = this.#request.batches[place]!
      this.#results[place] = { error: notLed(topicId, partition) }
    }
  }

  #batches(places: readonly number[]): ProduceBatch[] {
    return places.map((place) => this.#request.batches[place]!)
  }
}

/** Of a batch that was never sent a producer hears that it is not stored, not that it may be. */
function certain({ topicId, partition }: ProduceBatch, result: ProduceResult): ProduceResult {
  return wasNeverSent(result.error) ? { error: notLed(topicId, partition) } : result
}

function asPortalError(error: unknown): PortalError {
  if (isPortalError(error)) return error
  return new PortalError('DISCONNECTED', `A broker failed in an unforeseen way: ${error}`, { cause: error })
}

function incomplete(): PortalError<'DISCONNECTED'> {
  return new PortalError('DISCONNECTED', 'The answer to a send was incomplete.')
}
