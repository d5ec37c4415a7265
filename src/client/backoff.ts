import { isPortalError } from '../core/errors.js'
import { pause, retryDelay } from '../runtime/pause.js'
import type { Runtime } from '../runtime/runtime.js'

export { pause, retryDelay }

/**
 * Calls until it succeeds, with pauses between. Rejects with what cannot be retried, with the last error once `limit` milliseconds have passed
 * without success, and with the error that the signal's abort led to.
 */
export async function untilItSucceeds<T>(
  { clock, timers, random }: Runtime,
  limit: number,
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T> {
  const giveUpAt = clock.monotonic() + limit
  for (let failures = 1; ; failures++) {
    try {
      return await call()
    } catch (error) {
      const isHopeful = isPortalError(error) && error.retriable && clock.monotonic() < giveUpAt
      if (!isHopeful || signal.aborted) throw error
    }
    await pause(timers, retryDelay(failures, random), signal)
  }
}
