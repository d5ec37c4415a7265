import { abortedError, type PortalError } from '../core/errors.js'
import type { CallSignal } from '../runtime/call-signal.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Timer, Timers } from '../runtime/runtime.js'

/** Why a wait ended: its time was over, or what the error says. */
export type WaitEnd = 'timeout' | PortalError

export interface WaitLimitOptions {
  /** What waits, for the message of ABORTED. */
  readonly what: string
  /** Milliseconds. Infinity: no limit. 0: whoever waits looks once, so nothing ends it. */
  readonly wait: number
  readonly signal: CallSignal | undefined
}

/** Everything that can end a wait, as one event that happens at most once. */
export class WaitLimit {
  readonly wait: number
  readonly #timers: Timers
  #forget = (): void => {}
  readonly #listeners = new Set<() => void>()
  #timer: Timer | undefined
  #end: WaitEnd | undefined

  constructor(timers: Timers, { what, wait, signal }: WaitLimitOptions) {
    this.wait = wait
    this.#timers = timers
    this.#forget = onAbort(signal, () => this.endWith(abortedError(what, signal!)))
    if (!signal?.aborted && wait > 0 && wait < Infinity) this.#runFor(wait)
  }

  /** Why it ended, if it did. */
  get end(): WaitEnd | undefined {
    return this.#end
  }

  endWith(reason: WaitEnd): void {
    if (this.#end !== undefined) return
    this.#end = reason
    const listeners = [...this.#listeners]
    this.dispose()
    for (const listener of listeners) listener()
  }

  /** Calls `listener` at the end; at once if that has come. Returns what forgets it. */
  onEnd(listener: () => void): () => void {
    if (this.#end !== undefined) listener()
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What was waited for has come: time and the signal no longer end it. */
  dispose(): void {
    this.#timer?.cancel()
    this.#forget()
    this.#listeners.clear()
  }

  #runFor(wait: number): void {
    const step = Math.min(wait, LONGEST_TIMER)
    this.#timer = this.#timers.setTimeout(() => {
      if (wait > step) this.#runFor(wait - step)
      else this.endWith('timeout')
    }, step)
  }
}

/** Timers cut longer delays to this. */
export const LONGEST_TIMER = 2 ** 31 - 1
