import type { PortalError } from '../../core/errors.js'
import type { CommitGroup, CommitSource, Committer } from '../committer.js'

/**
 * Waits until all that the storage was given by now is fsynced. A log that is opened may hold entries that are written and no more: those of a
 * process that died, or of a leader that was deposed with commits under way. Nobody may be told that they are safe before.
 */
export class Barrier implements CommitSource {
  readonly #committer: Committer
  #waiting: { readonly resolve: () => void; readonly reject: (error: PortalError) => void }[] = []

  constructor(committer: Committer) {
    this.#committer = committer
  }

  passed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#committer.mark(this)
    })
  }

  cut(group: CommitGroup): boolean {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return false
    // The value says nothing: a write is what an fsync is for.
    group.add({ type: 'meta', key: 'barrier', value: NOTHING }, 0)
    group.durable = true
    for (const { resolve, reject } of waiting) group.onCommitted(resolve, reject)
    return false
  }

  failed(error: PortalError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

const NOTHING = new Uint8Array(0)
