/** What ends a call. An AbortSignal is one; those of callers over HTTP are lighter: thousands of calls sleep, and few are ever ended. */
export interface CallSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

type Listener = () => void

const NONE: readonly Listener[] = []

/** Aborts once, and calls its listeners once, in the order in which they came. */
export class CallEnd implements CallSignal {
  aborted = false
  reason: unknown
  /** One is the rule: no list is made for it. */
  #first: Listener | undefined
  #others = NONE

  abort(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    // One that was called may take others away.
    for (let next = this.#take(); next !== undefined; next = this.#take()) next()
  }

  addEventListener(_: 'abort', listener: Listener): void {
    if (this.aborted) return
    if (this.#first === undefined && this.#others.length === 0) this.#first = listener
    else this.#others = [...this.#others, listener]
  }

  removeEventListener(_: 'abort', listener: Listener): void {
    if (this.#first === listener) this.#first = undefined
    else if (this.#others.length > 0) this.#others = this.#others.filter((other) => other !== listener)
  }

  #take(): Listener | undefined {
    const next = this.#first ?? this.#others[0]
    if (this.#first === undefined) this.#others = this.#others.slice(1)
    this.#first = undefined
    return next
  }
}
