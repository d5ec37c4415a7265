import type { CallSignal } from './call-signal.js'

/**
 * What listens to each AbortSignal. The signal itself has one listener of ours, however many wait for it: Node warns of a leak from the eleventh on,
 * and a consumer's, a connection's or a caller's own signal may end many waits at once.
 */
const listenersOf = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `listener` when `signal` aborts: now, if it has. Returns what forgets it. Of a function that listens twice one call is made. */
export function onAbort(signal: CallSignal | undefined, listener: () => void): () => void {
  if (signal?.aborted) listener()
  if (!(signal instanceof AbortSignal)) {
    signal?.addEventListener('abort', listener)
    return () => signal?.removeEventListener('abort', listener)
  }
  let listeners = listenersOf.get(signal)
  if (!listeners) {
    const all = new Set<() => void>()
    signal.addEventListener('abort', () => all.forEach((each) => each()))
    listenersOf.set(signal, all)
    listeners = all
  }
  listeners.add(listener)
  return () => listeners.delete(listener)
}
