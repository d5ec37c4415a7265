/** Those who wait for something to happen once more. */
export class Bell {
  readonly #waiting = new Set<() => void>()

  /** Calls back at the next ring. Returns what forgets it. */
  once(callback: () => void): () => void {
    this.#waiting.add(callback)
    return () => this.#waiting.delete(callback)
  }

  ring(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
