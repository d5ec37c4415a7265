import { MinHeap } from '../../src/core/heap.js'
import type { Timer } from '../../src/runtime/runtime.js'
import { seededRandom } from '../../src/runtime/virtual.js'
import { Life, type WallClock } from './life.js'
import { Violation } from './violation.js'

/** So many steps at one instant, and time is said to stand still: somebody sets timers of 0 without end. */
const STEPS_AN_INSTANT = 20_000
const START = 1_735_689_600_000

interface Task {
  readonly at: number
  run: (() => void) | undefined
}

/**
 * Owns time and chance: one seeded generator makes every random choice, the order of timers that fall due at the same
 * instant among them. A step is one timer, and all promises that it settles.
 */
export class Scheduler {
  readonly random: () => number
  readonly #bytes: (length: number) => Uint8Array
  #tasks = new MinHeap<Task>()
  #now = 0
  #wallOffset = START
  #latestBefore = 0
  /** When the steps of `#atInstant` began. */
  #instant = 0
  #atInstant = 0
  steps = 0
  #failure: unknown

  constructor(seed: number) {
    const { float, bytes } = seededRandom(seed)
    this.random = float
    this.#bytes = bytes
  }

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now
  }

  /** What a wall clock that is right shows. */
  get wallTime(): number {
    return this.#wallOffset + this.#now
  }

  /** The latest that the wall clock ever showed. */
  get latestTime(): number {
    return Math.max(this.#latestBefore, Math.floor(this.#wallOffset + this.#now))
  }

  /** Moves the wall clock alone. */
  jump(milliseconds: number): void {
    this.#latestBefore = this.latestTime
    this.#wallOffset += milliseconds
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** A whole number in [from, to]. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1))
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)]!
  }

  after(delay: number, run: () => void): Timer {
    // A thousandth of a millisecond at most decides between what falls due together.
    const at = this.#now + Math.max(0, delay)
    const task: Task = { at, run }
    this.#tasks.push(at + this.random() * 0.001, task)
    return {
      cancel: () => {
        task.run = undefined
      },
    }
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve))
  }

  /** Something is wrong: the next step throws it. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  /** Lets something go on by itself; if it fails, so does the simulation. */
  spawn(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.fail(error))
  }

  /** Takes one step; false if nothing is left to do. */
  async step(): Promise<boolean> {
    for (;;) {
      const task = this.#tasks.pop()
      if (!task) return false
      if (!task.run) continue
      if (task.at > this.#instant + 0.5) {
        this.#instant = task.at
        this.#atInstant = 0
      } else if (++this.#atInstant > STEPS_AN_INSTANT)
        throw new Violation('Time stands still: timers of 0 without end.')
      this.#now = Math.max(this.#now, task.at)
      this.steps++
      task.run()
      // After this all promises have settled that could.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#failure !== undefined) throw this.#failure
      return true
    }
  }

  /** A runtime for something that can die: then its timers never fire again. */
  life(clock: WallClock = { offset: 0 }): Life {
    return new Life(this, this.#bytes, clock)
  }
}
