import type { PortalError } from '../core/errors.js'
import type { CoordinationSession } from './coordination.js'

/** One session of a CoordinationTree: who owns its ephemeral nodes, what it watches, and whether it still lives. */
export class TreeSession implements CoordinationSession {
  readonly id: string
  readonly #loss = new AbortController()
  readonly #watchers = new Map<string, Set<() => void>>()
  #refusal: PortalError | undefined

  constructor(id: string) {
    this.id = id
  }

  get lost(): AbortSignal {
    return this.#loss.signal
  }

  /** Why operations that have not been applied yet are refused, if they are. */
  get refusal(): PortalError | undefined {
    return this.#refusal
  }

  refuse(reason: PortalError): void {
    this.#refusal ??= reason
  }

  lose(reason: PortalError): void {
    this.refuse(reason)
    this.stopWatching()
    this.#loss.abort(reason)
  }

  watch(path: string, listener: () => void): () => void {
    // An own function for each call: the same listener may watch a path twice.
    const watcher = () => listener()
    const watchers = this.#watchers.get(path) ?? new Set()
    this.#watchers.set(path, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(path) === watchers) this.#watchers.delete(path)
    }
  }

  notify(touched: ReadonlySet<string>): void {
    if (this.#watchers.size === 0) return
    for (const path of touched) {
      const watchers = this.#watchers.get(path) ?? NONE
      for (const watcher of [...watchers]) {
        try {
          // One called before it may have stopped this one.
          if (watchers.has(watcher)) watcher()
        } catch {
          // A watcher that throws must not keep the others, or the operations behind it, from going on.
        }
      }
    }
  }

  stopWatching(): void {
    this.#watchers.clear()
  }
}

const NONE: ReadonlySet<() => void> = new Set()
