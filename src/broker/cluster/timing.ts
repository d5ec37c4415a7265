import type { Random, Timer, Timers } from '../../runtime/runtime.js'
import type { Ending } from './ending.js'

/** Milliseconds before the next try, after `failures` ≥ 1 in a row: 100 doubling to 2,000, of which up to half by chance. */
export function retryDelay(failures: number, random: Random): number {
  const full = Math.min(2_000, 100 * 2 ** Math.min(failures - 1, 10))
  return full * (0.5 + random.float() / 2)
}

/** Resolves after `milliseconds`, or at the end. */
export function pause(timers: Timers, milliseconds: number, over: Ending): Promise<void> {
  return new Promise((resolve) => {
    if (over.isOver) return resolve()
    const timer = timers.setTimeout(done, milliseconds)
    const forget = over.onEnd(done)
    function done(): void {
      timer.cancel()
      forget()
      resolve()
    }
  })
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
