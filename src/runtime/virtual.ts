import { portableCrc32 } from './crc32.js'
import type { Random, Runtime, Timer } from './runtime.js'

/** 2025-01-01T00:00:00Z: any fixed instant does, a recent one reads well in traces. */
const START = 1_735_689_600_000

/** More than any run of promises that does not feed itself needs. */
const MICROTASK_ROUNDS = 64

export interface VirtualRuntimeOptions {
  /** Equal seeds give equal runs. @default 1 */
  readonly seed?: number | undefined
  /** What the wall clock shows at first, in milliseconds since the Unix epoch. @default 2025-01-01T00:00:00Z */
  readonly start?: number | undefined
}

/** A Runtime whose time passes only when told to, and whose chance is the seed's. */
export interface VirtualRuntime extends Runtime {
  /** Lets `milliseconds` pass: fires what falls due on the way, in order of (time, insertion), promises settled in between. */
  advance(milliseconds: number): Promise<void>
  /**
   * Fires timers until `promise` settles, and gives its result; or until a condition holds. Throws once no timer is left, or
   * `limit` milliseconds have passed (default: a day).
   */
  runUntil<T>(promise: PromiseLike<T>, limit?: number): Promise<T>
  runUntil(condition: () => boolean, limit?: number): Promise<void>
  /** Runs what can run without time passing: promises, and timers that are due. */
  settle(): Promise<void>
  /** Moves the wall clock alone, as an administrator does. */
  jump(milliseconds: number): void
  /** How many timers wait. */
  readonly pendingTimers: number
}

/**
 * Makes a runtime for tests and simulations: deterministic time, timers and randomness.
 *
 * @example
 * const runtime = virtualRuntime({ seed: 7 })
 * runtime.timers.setTimeout(() => console.log(runtime.clock.monotonic()), 1_000)
 * await runtime.advance(1_000) // prints 1000
 */
export function virtualRuntime(options: VirtualRuntimeOptions = {}): VirtualRuntime {
  const timers = new TimerQueue()
  let elapsed = 0
  let offset = options.start ?? START

  async function fireUntil(end: number, done: () => boolean): Promise<void> {
    for (;;) {
      await drainMicrotasks()
      if (done()) return
      const timer = timers.takeDue(end)
      if (timer === undefined) return
      elapsed = Math.max(elapsed, timer.at)
      timer.callback()
    }
  }

  async function runUntil<T>(
    goal: PromiseLike<T> | (() => boolean),
    limit = 86_400_000,
  ): Promise<T | undefined> {
    const outcome: { settled: boolean; value?: T; error?: unknown; failed?: boolean } = { settled: false }
    if (typeof goal !== 'function') {
      goal.then(
        (value) => Object.assign(outcome, { settled: true, value }),
        (error: unknown) => Object.assign(outcome, { settled: true, failed: true, error }),
      )
    }
    const done = typeof goal === 'function' ? goal : () => outcome.settled
    await fireUntil(elapsed + limit, done)
    if (!done()) throw new Error(`Not reached at ${elapsed} ms of virtual time; ${timers.size} timers wait.`)
    if (outcome.failed) throw outcome.error
    return outcome.value
  }

  return {
    clock: { now: () => Math.floor(offset + elapsed), monotonic: () => elapsed },
    timers: {
      setTimeout: (callback, delay) => timers.add(elapsed + Math.max(0, delay), callback),
      defer: (callback) => void timers.add(elapsed, callback),
    },
    random: seededRandom(options.seed ?? 1),
    crc32: portableCrc32,
    async advance(milliseconds) {
      const end = elapsed + milliseconds
      await fireUntil(end, () => false)
      elapsed = end
    },
    runUntil: runUntil as VirtualRuntime['runUntil'],
    settle: () => fireUntil(elapsed, () => false),
    jump(milliseconds) {
      offset += milliseconds
    },
    get pendingTimers() {
      return timers.size
    },
  }
}

/** A small generator of numbers in [0, 1): a Weyl sequence, mixed. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return {
    float: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  }
}

async function drainMicrotasks(): Promise<void> {
  for (let round = 0; round < MICROTASK_ROUNDS; round++) await undefined
}

interface VirtualTimer extends Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
  cancelled: boolean
}

/** Timers by (time, insertion), as a binary heap; cancelled ones are dropped when they surface. */
class TimerQueue {
  readonly #heap: VirtualTimer[] = []
  #order = 0
  #live = 0

  get size(): number {
    return this.#live
  }

  add(at: number, callback: () => void): VirtualTimer {
    const timer: VirtualTimer = {
      at,
      order: this.#order++,
      callback,
      cancelled: false,
      cancel: () => {
        if (timer.cancelled) return
        timer.cancelled = true
        this.#live--
      },
    }
    this.#live++
    this.#heap.push(timer)
    this.#rise(this.#heap.length - 1)
    return timer
  }

  /** Takes the next timer out, if it is due at `time`. */
  takeDue(time: number): VirtualTimer | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || (!first.cancelled && first.at > time)) return undefined
      this.#removeFirst()
      if (first.cancelled) continue
      first.cancelled = true
      this.#live--
      return first
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(index: number): void {
    const heap = this.#heap
    for (let at = index; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!before(heap[at]!, heap[parent]!)) return
      swap(heap, at, parent)
      at = parent
    }
  }

  #sink(index: number): void {
    const heap = this.#heap
    for (let at = index; ; ) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      }
      if (least === at) return
      swap(heap, at, least)
      at = least
    }
  }
}

function before(one: VirtualTimer, other: VirtualTimer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

function swap<T>(list: T[], one: number, other: number): void {
  const held = list[one]!
  list[one] = list[other]!
  list[other] = held
}
