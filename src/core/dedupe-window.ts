import { type ByteReader, ByteWriter } from './bytes.js'

/** Ids a snapshot page. Only the last page grows and is rewritten; the others go when their last id is forgotten. */
const PAGE_IDS = 4096

export interface DedupeLimits {
  /** Milliseconds of safe time. */
  readonly window: number
  readonly ids: number
}

/**
 * Which message `id`s a partition has seen lately, and where. A pure function of the log: time is the safe time of the entries.
 * An id is forgotten `window` after it was stored, or when more than `ids` came after it.
 */
export class DedupeWindow {
  /** In the order of storing. */
  readonly #seen = new Map<string, Sighting>()
  readonly #pages = new Map<number, Page>()
  #last: Page | undefined
  #nextPage = 0
  readonly #dirty = new Set<number>()

  get size(): number {
    return this.#seen.size
  }

  /** The offset of the message with this id, if it is remembered. */
  find(id: string): number | undefined {
    return this.#seen.get(id)?.offset
  }

  /** The same, by a time at which some may have to be forgotten that no entry has expired yet. */
  findAt(id: string, safeTime: number, { window }: DedupeLimits): number | undefined {
    const sighting = this.#seen.get(id)
    return sighting !== undefined && sighting.time + window > safeTime ? sighting.offset : undefined
  }

  /** Remembers a message: from now on its id means this one. */
  record(id: string, offset: number, safeTime: number): void {
    this.#forget(id)
    const page = this.#last && this.#last.ids.length < PAGE_IDS ? this.#last : this.#startPage(this.#nextPage)
    page.ids.push(id)
    page.live++
    this.#seen.set(id, { offset, time: safeTime, page })
    this.#dirty.add(page.number)
  }

  expire(safeTime: number, limits: DedupeLimits): void {
    for (const [id, sighting] of this.#seen) {
      if (sighting.time + limits.window > safeTime && this.#seen.size <= limits.ids) return
      this.#forget(id)
    }
  }

  /** Forgets all but the `count` that came last. */
  keepNewest(count: number): void {
    for (const id of this.#seen.keys()) {
      if (this.#seen.size <= count) return
      this.#forget(id)
    }
  }

  /** The pages that changed since the last call, by their number; undefined for one that is gone. */
  takeDirtyPages(): Map<number, Uint8Array | undefined> {
    const pages = new Map<number, Uint8Array | undefined>()
    for (const number of this.#dirty) {
      const page = this.#pages.get(number)
      pages.set(number, page && this.#encode(page))
    }
    this.#dirty.clear()
    return pages
  }

  /** Loads pages that `takeDirtyPages` once gave, oldest first; `keepNewest` then drops what had been forgotten of them. */
  loadPage(number: number, reader: ByteReader): void {
    const page = this.#startPage(number)
    for (let left = reader.varint(); left > 0; left--) {
      const id = reader.string()
      this.#forget(id) // A page is not rewritten when an id in it expires and comes again later.
      page.ids.push(id)
      page.live++
      this.#seen.set(id, { offset: reader.varint(), time: reader.varint(), page })
    }
  }

  #forget(id: string): void {
    const page = this.#seen.get(id)?.page
    if (!page) return
    this.#seen.delete(id)
    if (--page.live > 0) return
    this.#pages.delete(page.number)
    if (this.#last === page) this.#last = undefined
    this.#dirty.add(page.number)
  }

  #startPage(number: number): Page {
    const page: Page = { number, ids: [], live: 0 }
    this.#pages.set(number, page)
    this.#last = page
    this.#nextPage = number + 1
    return page
  }

  #encode(page: Page): Uint8Array {
    const writer = new ByteWriter()
    writer.varint(page.live)
    // An id that was forgotten and came again in this page stands where it came last.
    for (const id of [...new Set(page.ids.toReversed())].reverse()) {
      const sighting = this.#seen.get(id)
      if (sighting?.page !== page) continue
      writer.string(id)
      writer.varint(sighting.offset)
      writer.varint(sighting.time)
    }
    return writer.finish()
  }
}

interface Sighting {
  readonly offset: number
  readonly time: number
  readonly page: Page
}

interface Page {
  readonly number: number
  readonly ids: string[]
  /** How many of them are remembered. */
  live: number
}
