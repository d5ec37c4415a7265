import type { FetchPosition, FetchSession, PartitionName } from '../../protocol/peer-service.js'
import { logName } from '../hosting.js'
import type { Follower } from './follower.js'

interface Asking {
  readonly follower: Follower
  /** What the leader was told last; undefined: nothing yet. */
  asked: FetchPosition | undefined
}

/** What the leader may not know yet. */
class Changes {
  readonly moved = new Set<Follower>()
  readonly forgotten = new Map<string, PartitionName>()
}

/**
 * What one leader is asked for, and how much of that it knows already. While it keeps no session, as builds before sessions do, each request says
 * everything.
 */
export class FollowerSession {
  readonly #nextId: () => number
  readonly #catchUp: boolean
  readonly #asking = new Map<string, Asking>()
  #id = 0
  #number = 0
  /** The leader has said that it keeps this session. */
  #isKept = false
  /** Since the last request. */
  #changes = new Changes()
  /** Of requests that were not answered: they may have come, or not, and are said once more. */
  #unanswered = new Changes()

  /** `nextId`: of the sessions that this broker begins each has a higher id than all before. `catchUp`: it is that of those behind. */
  constructor(nextId: () => number, catchUp: boolean) {
    this.#nextId = nextId
    this.#catchUp = catchUp
  }

  /** Nothing is asked for. */
  get isEmpty(): boolean {
    return this.#asking.size === 0
  }

  include(follower: Follower): void {
    const name = nameOf(follower)
    if (this.#asking.get(name)?.follower === follower) return
    this.#asking.set(name, { follower, asked: undefined })
    this.#changes.moved.add(follower)
    this.#changes.forgotten.delete(name)
  }

  exclude(follower: Follower): void {
    const name = nameOf(follower)
    if (this.#asking.get(name)?.follower !== follower) return
    this.#asking.delete(name)
    this.#changes.moved.delete(follower)
    this.#changes.forgotten.set(name, { topicId: follower.topicId, partition: follower.partition })
  }

  /** It is not asked for any more, and the leader may not know that yet. */
  isForgetting(partition: PartitionName): boolean {
    const name = nameOf(partition)
    return this.#changes.forgotten.has(name) || this.#unanswered.forgotten.has(name)
  }

  /** Its position is another one than was said. */
  moved(follower: Follower): void {
    if (this.#asking.get(nameOf(follower))?.follower === follower) this.#changes.moved.add(follower)
  }

  /** Whom a result is for, and what it answers; undefined: it is not asked for any more, or follows in another epoch by now. */
  find(result: PartitionName): { readonly follower: Follower; readonly asked: FetchPosition } | undefined {
    const { follower, asked } = this.#asking.get(nameOf(result)) ?? {}
    return follower && asked?.epoch === follower.epoch ? { follower, asked } : undefined
  }

  /** The next request. It must be answered, or have failed, before the one after it. */
  request(): { readonly partitions: FetchPosition[]; readonly session: FetchSession } {
    if (!this.#isKept) return this.#begin()
    const { moved, forgotten } = this.#gather()
    return { partitions: this.#positions(moved), session: this.#next([...forgotten.values()]) }
  }

  /** The leader has answered, and said which session it keeps. Returns whether it knew the one that it was asked in. */
  answered(kept: number | undefined): boolean {
    const wasKept = this.#isKept
    this.#isKept = kept === this.#id
    const isKnown = this.#isKept || !wasKept
    // What was said in one that is not known may come late still: what is forgotten is so once another has begun without it.
    if (isKnown) this.#unanswered = new Changes()
    return isKnown
  }

  #begin() {
    this.#id = this.#nextId()
    this.#number = -1
    // It says nothing of those that are forgotten, but they are so only once it is answered.
    this.#gather()
    const all = [...this.#asking.values()].map(({ follower }) => follower)
    return { partitions: this.#positions(all), session: this.#next([]) }
  }

  #next(forgotten: readonly PartitionName[]): FetchSession {
    return { id: this.#id, number: ++this.#number, forgotten, catchUp: this.#catchUp }
  }

  /** What changed since the last request that was answered: each thing as it is now. */
  #gather(): Changes {
    const { moved, forgotten } = this.#unanswered
    for (const follower of this.#changes.moved) moved.add(follower)
    for (const [name, partition] of this.#changes.forgotten) forgotten.set(name, partition)
    for (const follower of moved)
      if (this.#asking.get(nameOf(follower))?.follower !== follower) moved.delete(follower)
    for (const name of forgotten.keys()) if (this.#asking.has(name)) forgotten.delete(name)
    this.#changes = new Changes()
    return this.#unanswered
  }

  #positions(followers: Iterable<Follower>): FetchPosition[] {
    const positions: FetchPosition[] = []
    for (const follower of followers) {
      const position = follower.position()
      this.#asking.get(nameOf(position))!.asked = position
      positions.push(position)
    }
    return positions
  }
}

function nameOf({ topicId, partition }: PartitionName): string {
  return logName(topicId, partition)
}
