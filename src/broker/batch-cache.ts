import type { StoredEntry } from '../core/entry.js'

/**
 * Record batches that are likely to be read soon: those just appended, and what was read ahead of slow consumers. Bounded
 * in bytes over all partitions; the oldest go first.
 */
export class BatchCache {
  readonly #limit: number
  #bytes = 0
  /** In the order of coming. */
  readonly #entries = new Map<StoredEntry, Map<number, StoredEntry>>()

  /** `limit`: bytes of payload. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The part of the cache that one partition fills. */
  shelf(): BatchShelf {
    const byIndex = new Map<number, StoredEntry>()
    return {
      get: (index) => byIndex.get(index),
      put: (entry) => {
        if (byIndex.has(entry.index) || entry.payload.length > this.#limit / 4) return
        byIndex.set(entry.index, entry)
        this.#entries.set(entry, byIndex)
        this.#bytes += entry.payload.length
        this.#evict()
      },
      clear: () => {
        for (const entry of byIndex.values()) this.#drop(entry)
        byIndex.clear()
      },
    }
  }

  #evict(): void {
    for (const [entry, shelf] of this.#entries) {
      if (this.#bytes <= this.#limit) return
      shelf.delete(entry.index)
      this.#drop(entry)
    }
  }

  #drop(entry: StoredEntry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.payload.length
  }
}

export interface BatchShelf {
  get(index: number): StoredEntry | undefined
  put(entry: StoredEntry): void
  clear(): void
}
