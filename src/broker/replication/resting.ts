import type { Clock } from '../../runtime/runtime.js'
import { type CopyRoom, ROOM_LOOK } from './copy-room.js'
import type { Follower } from './follower.js'

/** How soon one that knows by then where it stands is looked at again (ms). */
const BUSY = 50
/** How soon a leader is asked again that does not lead a partition: mostly it is about to, and nothing is committed before it is followed (ms). */
const NOT_YET = 20
const LONGEST_REFUSED = 100

/** Partitions that a fetch does not ask for at the moment: their leader said no, they are busy, or there is no room for them. */
export class Resting {
  readonly #clock: Clock
  readonly #room: CopyRoom
  /** Until when (monotonic ms). */
  readonly #until = new Map<Follower, number>()
  /** How often in a row. */
  readonly #refused = new Map<Follower, number>()
  /** Those that there was no room for. */
  readonly #stalled = new Set<Follower>()

  constructor(clock: Clock, room: CopyRoom) {
    this.#clock = clock
    this.#room = room
  }

  has(follower: Follower): boolean {
    return this.#until.has(follower)
  }

  rest(follower: Follower, delay: number): void {
    this.#stalled.delete(follower)
    this.#until.set(follower, this.#clock.monotonic() + delay)
  }

  /** There is no room for what comes next of it. It is not asked for until there is: leaders keep for whoever asks what comes next. */
  stall(follower: Follower): void {
    this.rest(follower, 0)
    this.#stalled.add(follower)
  }

  /** Its leader said no. Returns for how long it is to rest (ms): a little longer each time. */
  refused(follower: Follower): number {
    const times = (this.#refused.get(follower) ?? 0) + 1
    this.#refused.set(follower, times)
    return Math.min(LONGEST_REFUSED, NOT_YET * times)
  }

  /** Its leader said something else. */
  answered(follower: Follower): void {
    this.#refused.delete(follower)
  }

  delete(follower: Follower): void {
    this.#until.delete(follower)
    this.#stalled.delete(follower)
    this.#refused.delete(follower)
  }

  /** Calls `awake` with those that have rested, and know where they stand. Returns how long the next one still rests (ms). */
  awaken(awake: (follower: Follower) => void): number {
    const now = this.#clock.monotonic()
    let soonest = Number.POSITIVE_INFINITY
    for (const [follower, until] of this.#until) {
      if (until > now) soonest = Math.min(soonest, until - now)
      else if (this.#stalled.has(follower) && this.#room.isShort) soonest = Math.min(soonest, ROOM_LOOK)
      else if (follower.isBusy) soonest = Math.min(soonest, BUSY)
      else {
        this.#until.delete(follower)
        this.#stalled.delete(follower)
        awake(follower)
      }
    }
    return soonest
  }
}
