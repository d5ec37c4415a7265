import type { PortalError } from '../core/errors.js'
import type { CoordinationSession } from './coordination.js'
import { Watchers } from './watchers.js'

/** One session of a CoordinationTree: who owns its ephemeral nodes, what it watches, and whether it still lives. */
export class TreeSession implements CoordinationSession {
  readonly id: string
  readonly timeout = Infinity
  readonly #loss = new AbortController()
  readonly #watchers = new Watchers()
  #refusal: PortalError | undefined

  constructor(id: string) {
    this.id = id
  }

  get lost(): AbortSignal {
    return this.#loss.signal
  }

  leaseUntil(): number {
    return this.#loss.signal.aborted ? -Infinity : Infinity
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
    return this.#watchers.add(path, listener)
  }

  notify(touched: ReadonlySet<string>): void {
    if (this.#watchers.size === 0) return
    for (const path of touched) this.#watchers.call(path)
  }

  stopWatching(): void {
    this.#watchers.clear()
  }
}
