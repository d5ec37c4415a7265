import type { StoredEntry } from '../../core/entry.js'

/** Bytes of payload kept for followers that are nearly there; others are served from the storage. */
const LIMIT = 4 << 20

/** The end of a log in memory: what followers ask for next. */
export class RecentEntries {
  #entries: StoredEntry[] = []
  /** How many at the front are gone. */
  #gone = 0
  #bytes = 0

  push(entries: readonly StoredEntry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry)
      this.#bytes += entry.payload.length
    }
    while (this.#bytes > LIMIT && this.#gone < this.#entries.length - 1)
      this.#bytes -= this.#entries[this.#gone++]!.payload.length
    if (this.#gone > 1_024 && this.#gone > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#gone)
      this.#gone = 0
    }
  }

  /** Entries from `index` on, at least one, up to `maxBytes`; undefined if they do not reach back so far. */
  from(index: number, maxBytes: number): StoredEntry[] | undefined {
    const first = this.#entries[this.#gone]
    if (first === undefined || index < first.index) return undefined
    const found: StoredEntry[] = []
    let bytes = 0
    for (let at = this.#gone + index - first.index; at < this.#entries.length && bytes < maxBytes; at++) {
      const entry = this.#entries[at]!
      if (found.length > 0 && bytes + entry.payload.length > maxBytes) break
      found.push(entry)
      bytes += entry.payload.length
    }
    return found
  }
}
