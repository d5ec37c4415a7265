import { setMaxListeners } from 'node:events'

/**
 * An end that comes once, and whatever is to happen then. Much is under way in a term: more than an AbortSignal takes listeners without a warning.
 */
export class Ending {
  readonly #controller = new AbortController()
  readonly #callbacks = new Set<() => void>()
  #over = false

  constructor() {
    setMaxListeners(0, this.#controller.signal)
  }

  /** Aborts at the end, before anybody is called back. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isOver(): boolean {
    return this.#over
  }

  /** Calls back at the end; at once if it has come. Returns what forgets it. */
  onEnd(callback: () => void): () => void {
    if (this.#over) callback()
    else this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    this.#controller.abort()
    const callbacks = [...this.#callbacks]
    this.#callbacks.clear()
    for (const callback of callbacks) callback()
  }
}
