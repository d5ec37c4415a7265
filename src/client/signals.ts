import type { CallSignal } from '../runtime/call-signal.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Timers } from '../runtime/runtime.js'
import { pause } from './backoff.js'

interface JoinedSignal {
  readonly signal: AbortSignal
  dispose(): void
}

/**
 * A signal that aborts with either; `dispose` forgets both. What AbortSignal.any makes is held by its sources for as long as they live, and some of
 * ours live as long as the connection.
 */
export function eitherSignal(one: AbortSignal, other: AbortSignal | undefined): JoinedSignal {
  // Thousands of consumers sleep without one of their own.
  if (other === undefined) return { signal: one, dispose() {} }
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const forgetOne = onAbort(one, abort)
  const forgetOther = onAbort(other, abort)
  return {
    signal: controller.signal,
    dispose() {
      forgetOne()
      forgetOther()
    },
  }
}

/** What the promise resolves to, or undefined after `milliseconds`, or as soon as `signal` aborts. Rejects with the promise. */
export async function within<T>(
  timers: Timers,
  milliseconds: number,
  promise: Promise<T>,
  signal?: CallSignal,
): Promise<T | undefined> {
  const over = new AbortController()
  const forget = onAbort(signal, () => over.abort())
  try {
    return (await Promise.race([promise, pause(timers, milliseconds, over.signal)])) as T | undefined
  } finally {
    forget()
    over.abort()
  }
}
