import type { CallSignal } from './call-signal.js'
import { onAbort } from './on-abort.js'
import type { Random, Timers } from './runtime.js'

const INITIAL = 100
const LONGEST = 1_000

/** Milliseconds before the next try, after `failures` ≥ 1 in a row: 100 doubling to `longest`, of which up to half by chance. */
export function retryDelay(failures: number, random: Random, longest = LONGEST): number {
  const full = Math.min(longest, INITIAL * 2 ** Math.min(failures - 1, 10))
  return full * (0.5 + random.float() / 2)
}

/** Resolves after `milliseconds` (Infinity: never by itself), or as soon as `signal` aborts. Never rejects. */
export function pause(timers: Timers, milliseconds: number, signal?: CallSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = milliseconds < Number.POSITIVE_INFINITY ? timers.setTimeout(done, milliseconds) : undefined
    const forget = onAbort(signal, done)
    function done(): void {
      timer?.cancel()
      forget()
      resolve()
    }
  })
}
