import { isPortalError, PortalError } from '../core/errors.js'
import type { BrokerService, CallOptions } from '../protocol/service.js'
import { type Leader, type Leaders, passedOn } from './leaders.js'

/** Where a call goes when the leader is not known: to any broker, which passes it on; undefined: a leader is waited for. */
export interface Asking {
  readonly leaders: Leaders
  readonly anyBroker: BrokerService | undefined
  readonly checkPartition?: CheckPartition | undefined
}

/** Rejects with INVALID_ARGUMENT once it is known that a topic has no such partition; resolves, within `PATIENCE`, if it may have. */
export type CheckPartition = (topicId: string, partition: number) => Promise<void>

/** Milliseconds for which a call waits for a leader before it is answered with NOT_LEADER: less than callers wait for an answer. */
export const PATIENCE = 2_000

/** Asks the leader of one partition what may be asked twice, and the next one when leadership moves. */
export async function askLeader<T>(
  { leaders, anyBroker, checkPartition }: Asking,
  at: { readonly topicId: string; readonly partition: number },
  call: CallOptions | undefined,
  ask: (service: BrokerService, call: CallOptions | undefined) => Promise<T>,
): Promise<T> {
  const { topicId, partition } = at
  const { clock } = leaders.runtime
  const giveUpAt = clock.monotonic() + PATIENCE
  for (;;) {
    const find = () => leaders.of(topicId, partition)
    if (anyBroker === undefined) {
      if (find() === undefined) await checkPartition?.(topicId, partition)
      await leaders.until(() => find() !== undefined, giveUpAt - clock.monotonic(), call?.signal)
    }
    const leader = find()
    if (leader === undefined) {
      if (anyBroker === undefined) throw notLed(topicId, partition)
      return ask(anyBroker, call)
    }
    try {
      const answer = await ask(leader.service, passedOn(call))
      leaders.heard(leader, topicId, [partition])
      return answer
    } catch (error) {
      leaders.heard(leader, topicId, [partition], error)
      if (!isPortalError(error, 'NOT_LEADER', 'DISCONNECTED') || clock.monotonic() >= giveUpAt) throw error
    }
  }
}

/** The places of a request's parts, by the leader that each is for; undefined: none is known. */
export function byLeader<T>(
  parts: readonly T[],
  places: readonly number[],
  leaderOf: (part: T) => Leader | undefined,
): Map<Leader | undefined, number[]> {
  const groups = new Map<Leader | undefined, number[]>()
  for (const place of places) {
    const leader = leaderOf(parts[place]!)
    const group = groups.get(leader)
    if (group) group.push(place)
    else groups.set(leader, [place])
  }
  return groups
}

export function notLed(topicId: string, partition: number): PortalError<'NOT_LEADER'> {
  return new PortalError(
    'NOT_LEADER',
    `No broker that answers leads partition ${partition} of topic ${topicId} now: try again in a moment.`,
  )
}
