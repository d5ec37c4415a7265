/** Who watches which path of a coordination store. */
export class Watchers {
  readonly #byPath = new Map<string, Set<() => void>>()

  get size(): number {
    return this.#byPath.size
  }

  paths(): string[] {
    return [...this.#byPath.keys()]
  }

  has(path: string): boolean {
    return this.#byPath.has(path)
  }

  /** Returns what removes the listener again. */
  add(path: string, listener: () => void): () => void {
    // An own function for each call: the same listener may watch a path twice.
    const watcher = () => listener()
    const watchers = this.#byPath.get(path) ?? new Set()
    this.#byPath.set(path, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#byPath.get(path) === watchers) this.#byPath.delete(path)
    }
  }

  call(path: string): void {
    const watchers = this.#byPath.get(path) ?? NONE
    for (const watcher of [...watchers]) {
      try {
        // One called before it may have stopped this one.
        if (watchers.has(watcher)) watcher()
      } catch {
        // A watcher that throws must not keep the others, or the operations behind it, from going on.
      }
    }
  }

  clear(): void {
    this.#byPath.clear()
  }
}

const NONE: ReadonlySet<() => void> = new Set()
