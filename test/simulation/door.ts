import type { HeldLock } from '../../src/client/lock.js'
import type { NetworkWorld } from './client-world.js'
import { check } from './violation.js'

/** Longer than an answer is on its way (ms): so long a holder may believe in a lock that another one has. */
const UNDER_WAY = 10_000

/** One who has, or had, the lock. */
class Holder {
  readonly held: HeldLock
  /** It stood still, or has given it back: nobody can ask it to know. */
  isExcused = false

  constructor(held: HeldLock) {
    this.held = held
  }

  pauses(): void {
    this.isExcused = true
  }

  leaves(): void {
    this.isExcused = true
  }

  get believes(): boolean {
    return !this.isExcused && !this.held.signal.aborted
  }
}

/**
 * What a lock protects: it refuses whoever comes with a lower token than one that it has seen. So whoever was stopped over the lock and goes on when another
 * has it changes nothing, if only tokens rise as they are given.
 */
export class Door {
  readonly #world: NetworkWorld
  readonly #tokens = new Set<number>()
  /** The highest token that was given, and that was used. */
  #given = 0
  #used = 0
  #holders: Holder[] = []

  constructor(world: NetworkWorld) {
    this.#world = world
  }

  /** Somebody begins to wait. Returns what its token must be above. */
  begin(): number {
    return this.#given
  }

  /** Somebody has got it. */
  opened(held: HeldLock, above: number): Holder {
    const { token } = held
    check(!this.#tokens.has(token), () => `the token ${token} was given twice`)
    check(token > above, () => `the token ${token} was given after ${above}`)
    this.#tokens.add(token)
    this.#given = Math.max(this.#given, token)
    const holder = new Holder(held)
    for (const other of this.#holders.filter(({ believes }) => believes)) this.#checkYields(other, holder)
    this.#holders = [...this.#holders.filter(({ believes }) => believes), holder]
    this.use(holder)
    return holder
  }

  /** Of two that run, and have not given it back, one must know soon that it has lost it. */
  #checkYields(one: Holder, other: Holder): void {
    this.#world.scheduler.after(UNDER_WAY, () =>
      check(
        !one.believes || !other.believes,
        () => `the lock is held under ${one.held.token} and ${other.held.token} at the same time`,
      ),
    )
  }

  use({ held: { token } }: Holder): void {
    if (token < this.#used) this.#world.count('network stale token refused', 1)
    else this.#used = token
  }
}
