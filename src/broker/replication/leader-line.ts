import type { PeerService } from '../../protocol/peer-service.js'
import { FetchLoop, type FetchLoopHost } from './fetch-loop.js'
import type { Follower } from './follower.js'
import type { Throttle } from './throttle.js'

export type LeaderLineHost = Omit<FetchLoopHost, 'reached'>

/**
 * All partitions that this broker follows at one other, in two fetches: those that are behind have one of their own, so that what they fetch does
 * not hold up those in sync, for whom all wait that is sent. A partition goes from one to the other by what its leader says is committed; which
 * of them it is in decides nothing but how fast it is served.
 */
export class LeaderLine {
  readonly #live: FetchLoop
  readonly #catchUp: FetchLoop
  /** Both notice when nothing can be fetched; one of them tells. */
  #isTold = false

  /** `throttle`: of all that those behind fetch, at whomever. */
  constructor(host: LeaderLineHost, leader: PeerService, throttle: Throttle) {
    const both: FetchLoopHost = {
      ...host,
      unreachable: (error) => {
        if (!this.#isTold) host.unreachable(error)
        this.#isTold = true
      },
      reached: () => {
        this.#isTold = false
      },
    }
    this.#live = new FetchLoop(both, leader, { left: (follower) => this.#catchUp.add(follower) })
    this.#catchUp = new FetchLoop(both, leader, { throttle, left: (follower) => this.#live.add(follower) })
  }

  /** Asks for it from now on. `isInSync`: as far as is known. */
  add(follower: Follower, isInSync: boolean): void {
    // A leader that may take it to be in one fetch still must hear by that one first where it stands now.
    const held = [this.#live, this.#catchUp].find((fetch) => fetch.holds(follower))
    const fetch = held ?? (isInSync ? this.#live : this.#catchUp)
    fetch.add(follower)
  }

  delete(follower: Follower): void {
    this.#live.delete(follower)
    this.#catchUp.delete(follower)
  }

  async stop(): Promise<void> {
    await Promise.all([this.#live.stop(), this.#catchUp.stop()])
  }
}
