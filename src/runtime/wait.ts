import { abortedError, type PortalError } from '../core/errors.js'
import type { CallSignal } from './call-signal.js'
import { onAbort } from './on-abort.js'
import type { Timer, Timers } from './runtime.js'

/** Longer than any timer: such a wait has no end. */
export const FOREVER = 2 ** 31 - 1

export interface WaitEnds {
  /** Milliseconds; undefined or Infinity: no limit. */
  readonly timeout?: number | undefined
  readonly signal?: CallSignal | undefined
  /** Asked at the timeout: whether the answer is on its way already, and is waited for. */
  readonly coming?: (() => boolean) | undefined
}

/**
 * Sleeps until something resolves or rejects, the timeout passes (then it resolves to undefined) or the signal aborts (then it
 * rejects with ABORTED). `start` gets the two functions and returns what stops the wait.
 */
export async function sleepUntil<T>(
  timers: Timers,
  what: string,
  ends: WaitEnds,
  start: (resolve: (value: T | undefined) => void, reject: (error: PortalError) => void) => () => void,
): Promise<T | undefined> {
  const { signal, timeout } = ends
  if (signal?.aborted) throw abortedError(what, signal)
  return new Promise<T | undefined>((resolve, reject) => {
    let timer: Timer | undefined
    let over = false
    let stop: (() => void) | undefined
    const end = (finish: () => void) => {
      if (over) return
      over = true
      timer?.cancel()
      forget()
      stop?.()
      finish()
    }
    const forget = onAbort(signal, () => end(() => reject(abortedError(what, signal!))))
    if (timeout !== undefined && timeout < FOREVER) {
      timer = timers.setTimeout(() => {
        if (!ends.coming?.()) end(() => resolve(undefined))
      }, timeout)
    }
    stop = start(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    )
    if (over) stop()
  })
}
