import type { FetchRequest } from '../../src/protocol/peer-service.js'

/** By log, by epoch: the number of the first request that asked for it in this epoch. */
type Session = Map<string, Map<number, number>>

/** In which epochs one broker asks the others for entries, by what its requests said: an answer does not say of which epoch it is. */
export class AskedEpochs {
  /** By leader and session. */
  readonly #sessions = new Map<string, Session>()

  /**
   * Takes in a request that `broker` has answered. Returns the epochs in which it was asked for each log by then: within a session what was said
   * before holds on. Requests may come, or be answered, in another order than they were sent: what one of them said counts for those that
   * were sent after it only, and a follower's epochs rise.
   */
  answered(broker: string, { partitions, session }: FetchRequest): ReadonlyMap<string, number> {
    const number = session?.number ?? 0
    const said: Session = session ? this.#session(`${broker} ${session.id}`) : new Map()
    for (const { topicId, partition, epoch } of partitions) {
      const log = `${topicId}/${partition}`
      const first = said.get(log) ?? new Map<number, number>()
      said.set(log, first.set(epoch, Math.min(first.get(epoch) ?? number, number)))
    }
    const epochs = new Map<string, number>()
    for (const [log, first] of said)
      for (const [epoch, since] of first)
        if (since <= number) epochs.set(log, Math.max(epochs.get(log) ?? epoch, epoch))
    return epochs
  }

  #session(name: string): Session {
    const session = this.#sessions.get(name) ?? new Map()
    this.#sessions.set(name, session)
    return session
  }
}
