import { retryDelay } from '../../runtime/pause.js'
import type { Random, Timer, Timers } from '../../runtime/runtime.js'
import type { Ending } from './ending.js'

const LONGEST = 2_000

/** Milliseconds before the controller tries again, after `failures` ≥ 1 in a row. */
export function nextTry(failures: number, random: Random): number {
  return retryDelay(failures, random, LONGEST)
}

/** Calls with a signal that aborts at the end, or after `milliseconds`. */
export async function withTimeout<T>(
  timers: Timers,
  milliseconds: number,
  over: Ending,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  const forget = over.onEnd(() => ending.abort())
  const timer = timers.setTimeout(() => ending.abort(), milliseconds)
  try {
    return await call(ending.signal)
  } finally {
    timer.cancel()
    forget()
  }
}

/** Calls back every `milliseconds` until the end. */
export function every(timers: Timers, milliseconds: number, over: Ending, callback: () => void): void {
  if (over.isOver) return
  let timer: Timer = timers.setTimeout(tick, milliseconds)
  over.onEnd(() => timer.cancel())
  function tick(): void {
    timer = timers.setTimeout(tick, milliseconds)
    callback()
  }
}
