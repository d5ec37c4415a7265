import type { Runtime } from '../../runtime/runtime.js'

export interface SilenceParts {
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>
  /** Milliseconds that an answer may take. */
  readonly limit: number
  /** For how long an answer has been waited for (ms); 0: none is. */
  readonly waiting: () => number
  /** Aborts when nobody wants to know any more. */
  readonly ending: AbortSignal
}

/**
 * Calls back, once, when an answer is waited for longer than the limit while this process ran. Time for which the process itself was stopped, or
 * too busy to look, says nothing: whatever answers was stopped with it, or its answer lies here unread.
 */
export function watchSilence(
  { runtime: { clock, timers }, limit, waiting, ending }: SilenceParts,
  silent: (milliseconds: number) => void,
): void {
  const interval = limit / 4
  let looked = clock.monotonic()
  let awakeSince = looked
  const look = () => {
    if (ending.aborted) return
    const now = clock.monotonic()
    if (now - looked > 2 * interval) awakeSince = now
    looked = now
    const waited = Math.min(waiting(), now - awakeSince)
    if (waited > limit) silent(waited)
    else timers.setTimeout(look, interval)
  }
  timers.setTimeout(look, interval)
}
