import { crc32 } from 'node:zlib'
import type { Runtime, Timer } from '../../src/runtime/runtime.js'

/** Who owns time and chance. */
interface World {
  readonly now: number
  readonly wallTime: number
  readonly random: () => number
  after(delay: number, run: () => void): Timer
}

/** The wall clock of one machine; all machines share what `Scheduler.jump` moves. */
export interface WallClock {
  /** Milliseconds that it is wrong by. */
  offset: number
}

/**
 * The life of a process: it can freeze and go on, and it can die; then its timers never fire again, and whatever
 * comes to it from outside comes to nobody.
 */
export class Life {
  readonly runtime: Runtime
  readonly #world: World
  #isAlive = true
  #isFrozen = false
  /** What happened to it while it was frozen. */
  #held: (() => void)[] = []

  constructor(world: World, bytes: (length: number) => Uint8Array, clock: WallClock) {
    this.#world = world
    this.runtime = {
      clock: {
        now: () => Math.floor(world.wallTime + clock.offset),
        monotonic: () => world.now,
      },
      timers: {
        setTimeout: (callback, delay) => world.after(delay, () => this.enter(callback)),
        defer: (callback) => void world.after(0, () => this.enter(callback)),
      },
      random: { float: world.random, bytes },
      crc32,
    }
  }

  readonly alive = (): boolean => this.#isAlive

  get frozen(): boolean {
    return this.#isFrozen
  }

  readonly end = (): void => {
    this.#isAlive = false
    this.#held = []
  }

  /** Something reaches the process from outside: now, or when it goes on, or never. */
  enter(callback: () => void): void {
    if (!this.#isAlive) return
    if (this.#isFrozen) this.#held.push(callback)
    else callback()
  }

  /** The same for those who wait: resolves when the process runs. */
  awake(): Promise<void> {
    return new Promise((resolve) => this.enter(resolve))
  }

  freeze(): void {
    this.#isFrozen = true
  }

  /** Goes on; what was held back comes in one turn after the other, in any order. */
  thaw(): void {
    this.#isFrozen = false
    for (const callback of this.#held.splice(0)) this.#world.after(0, () => this.enter(callback))
  }
}
