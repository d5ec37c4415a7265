import { isPortalError } from '../core/errors.js'
import type { CallOptions, SettleRequest, SettleResponse } from '../protocol/service.js'
import { type Asking, byLeader, notLed, PATIENCE } from './ask.js'
import { type Leader, passedOn } from './leaders.js'

/** What leaders have said to the parts of a request, by place. */
type Answers = Map<number, readonly number[]>

/**
 * Takes each settlement to the leader of its partition and puts the answers together. Every part keeps the request's number: when some leader does
 * not answer, the whole of it is refused and may be repeated under that number, and those who have answered answer the same again. Where the very
 * same request is repeated they are not asked: a leader that has followed since may know only the last few answers.
 */
export class LeaderSettles {
  readonly #asking: Asking
  readonly #answered = new WeakMap<SettleRequest, Answers>()

  constructor(asking: Asking) {
    this.#asking = asking
  }

  /** `creditAt`: the leader that has the stream of the request's credit, if one has. */
  async settle(
    request: SettleRequest,
    call: CallOptions | undefined,
    creditAt?: Leader,
  ): Promise<SettleResponse> {
    const answers: Answers = this.#answered.get(request) ?? new Map()
    this.#answered.set(request, answers)
    await settleAtLeaders(this.#asking, request, call, creditAt, answers)
    return { lost: request.settlements.map((_, place) => answers.get(place) ?? []) }
  }
}

/** Asks for what has no answer yet. */
async function settleAtLeaders(
  asking: Asking,
  request: SettleRequest,
  call: CallOptions | undefined,
  creditAt: Leader | undefined,
  answers: Answers,
): Promise<void> {
  const { leaders, anyBroker, checkPartition } = asking
  const { topicId, settlements } = request
  const leaderOf = ({ partition }: { readonly partition: number }) => leaders.of(topicId, partition)
  const open = [...settlements.keys()].filter((place) => !answers.has(place))
  const group = () => byLeader(settlements, open, leaderOf)
  if (anyBroker === undefined) {
    const unled = group().get(undefined) ?? []
    await Promise.all(unled.map((place) => checkPartition?.(topicId, settlements[place]!.partition)))
    await leaders.until(() => !group().has(undefined), PATIENCE, call?.signal)
  }
  const settle = async (leader: Leader | undefined, places: readonly number[]) => {
    const credit = leader !== undefined && leader === creditAt ? request.credit : undefined
    const part = { ...request, credit, settlements: places.map((place) => settlements[place]!) }
    const partitions = part.settlements.map(({ partition }) => partition)
    const answer = await (leader === undefined
      ? askAny(part, partitions[0]!)
      : askOne(leader, part, partitions))
    places.forEach((place, at) => answers.set(place, answer.lost[at] ?? []))
  }
  const askAny = async (part: SettleRequest, partition: number) => {
    if (anyBroker === undefined) throw notLed(topicId, partition)
    return anyBroker.settle(part, call)
  }
  const askOne = async (leader: Leader, part: SettleRequest, partitions: readonly number[]) => {
    try {
      const answer = await leader.service.settle(part, passedOn(call))
      leaders.heard(leader, topicId, partitions)
      return answer
    } catch (error) {
      leaders.heard(leader, topicId, partitions, error)
      throw error
    }
  }
  const groups = group()
  const parts: Promise<void>[] = [...groups].map(([leader, places]) => settle(leader, places))
  if (request.credit !== undefined && creditAt !== undefined && !groups.has(creditAt))
    parts.push(creditAt.service.addCredit(request.credit, passedOn(call)))
  const outcomes = await Promise.allSettled(parts)
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  // What can be repeated is: only then is anything known of all parts.
  const error = errors.find((one) => isPortalError(one) && one.retriable) ?? errors[0]
  if (error !== undefined) throw error
}
