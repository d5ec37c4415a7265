import type { Random, Timer, Timers } from '../../runtime/runtime.js'

/** Milliseconds before the next try, after `failures` ≥ 1 in a row: 100 doubling to 2,000, of which up to half by chance. */
export function retryDelay(failures: number, random: Random): number {
  const full = Math.min(2_000, 100 * 2 ** Math.min(failures - 1, 10))
  return full * (0.5 + random.float() / 2)
}

/** Resolves after `milliseconds`, or as soon as `signal` aborts. */
export function pause(timers: Timers, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = timers.setTimeout(done, milliseconds)
    signal.addEventListener('abort', done, { once: true })
    function done(): void {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

/** Calls with a signal that aborts with `signal`, or after `milliseconds`. */
export async function withTimeout<T>(
  timers: Timers,
  milliseconds: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  const end = () => ending.abort(signal.reason)
  if (signal.aborted) end()
  else signal.addEventListener('abort', end)
  const timer = timers.setTimeout(() => ending.abort(), milliseconds)
  try {
    return await call(ending.signal)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', end)
  }
}

/** Calls back every `milliseconds` until `signal` aborts. */
export function every(timers: Timers, milliseconds: number, signal: AbortSignal, callback: () => void): void {
  if (signal.aborted) return
  let timer: Timer = timers.setTimeout(tick, milliseconds)
  signal.addEventListener('abort', () => timer.cancel(), { once: true })
  function tick(): void {
    timer = timers.setTimeout(tick, milliseconds)
    callback()
  }
}
