import type { StoredEntry } from '../core/entry.js'
import { notAbove, pageExists, pageInUse, pageMissing } from './check-writes.js'
import type { ReadRange, SnapshotHeader, StoredSnapshot, Write } from './storage.js'

/** What a log holds. Arrays only grow in place; whatever removes from one makes a new one, so that undoing is cheap. */
interface MemoryLog {
  /** By rising index. */
  entries: StoredEntry[]
  pages: Map<number, Uint8Array>
  header: SnapshotHeader | undefined
}

/**
 * The logs and named values of a broker, in memory and synchronous: the model that every storage must behave like.
 * The memory adapter wraps it; a simulator builds disks that lose things from two of them.
 */
export class MemoryDatabase {
  readonly #logs = new Map<string, MemoryLog>()
  readonly #meta = new Map<string, Uint8Array>()

  /** Applies all of `writes`, in order; if one does not fit the state, throws INVALID_ARGUMENT and changes nothing. */
  apply(writes: readonly Write[]): void {
    const undo: Array<() => void> = []
    const touched = new Set<string>()
    try {
      for (const write of writes) {
        if (write.type === 'meta') this.#applyMeta(write.key, write.value, undo)
        else {
          if (!touched.has(write.log)) undo.push(this.#restorePoint(write.log))
          touched.add(write.log)
          this.#applyToLog(write, undo)
        }
      }
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    }
  }

  logs(): string[] {
    const names: string[] = []
    for (const [name, log] of this.#logs) {
      if (log.entries.length > 0 || log.pages.size > 0 || log.header !== undefined) names.push(name)
    }
    return names
  }

  read(name: string, range: ReadRange): StoredEntry[] {
    const entries = this.#logs.get(name)?.entries ?? []
    const found: StoredEntry[] = []
    let bytes = 0
    for (let at = firstAtOrAbove(entries, range.from); at < entries.length; at++) {
      const entry = entries[at]!
      if (range.to !== undefined && entry.index >= range.to) break
      if (range.kinds === 'messages' && entry.kind !== 'messages') continue
      if (found.length > 0 && bytes >= range.maxBytes) break
      found.push(entry)
      bytes += entry.payload.length
    }
    return found
  }

  readSnapshot(name: string): StoredSnapshot | undefined {
    const log = this.#logs.get(name)
    if (log?.header === undefined) return undefined
    const { header, pages } = log
    const named = new Set(header.pages)
    return {
      header,
      pages: header.pages.map((id) => pages.get(id)!),
      strayPages: [...pages.keys()].filter((id) => !named.has(id)).sort((a, b) => a - b),
    }
  }

  pageIds(name: string): number[] {
    return [...(this.#logs.get(name)?.pages.keys() ?? [])].sort((a, b) => a - b)
  }

  readMeta(prefix: string): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>()
    for (const [key, value] of this.#meta) if (key.startsWith(prefix)) found.set(key, value)
    return found
  }

  /** What all this takes, roughly: payloads, and a guess for what is around them. */
  usedBytes(): number {
    let bytes = 0
    for (const value of this.#meta.values()) bytes += value.length + 64
    for (const log of this.#logs.values()) {
      for (const entry of log.entries) bytes += entry.payload.length + 64
      for (const page of log.pages.values()) bytes += page.length + 64
      bytes += log.header?.payload.length ?? 0
    }
    return bytes
  }

  /** A copy that goes its own way. Payloads are shared: nobody changes them. */
  clone(): MemoryDatabase {
    const copy = new MemoryDatabase()
    for (const [name, log] of this.#logs) {
      copy.#logs.set(name, { entries: log.entries.slice(), pages: new Map(log.pages), header: log.header })
    }
    for (const [key, value] of this.#meta) copy.#meta.set(key, value)
    return copy
  }

  #applyToLog(write: Exclude<Write, { type: 'meta' }>, undo: Array<() => void>): void {
    if (write.type === 'delete-log') {
      this.#logs.delete(write.log)
      return
    }
    const log = this.#log(write.log)
    switch (write.type) {
      case 'append':
        return append(write.log, log, write.entries)
      case 'truncate':
        log.entries = log.entries.slice(0, firstAtOrAbove(log.entries, write.from))
        return
      case 'drop-prefix':
        log.entries = log.entries.slice(firstAtOrAbove(log.entries, write.below))
        return
      case 'drop-state':
        log.entries = log.entries.filter(({ kind, index }) => kind === 'messages' || index >= write.below)
        return
      case 'delete-batches':
        log.entries = log.entries.filter(
          ({ kind, index }) => kind !== 'messages' || index < write.from || index >= write.to,
        )
        return
      case 'page':
        if (log.pages.has(write.id)) throw pageExists(write.log, write.id)
        undo.push(() => log.pages.delete(write.id))
        log.pages.set(write.id, write.payload)
        return
      case 'snapshot':
        for (const id of write.header.pages) if (!log.pages.has(id)) throw pageMissing(write.log, id)
        log.header = write.header
        return
      case 'drop-pages':
        for (const id of write.ids) {
          if (log.header?.pages.includes(id)) throw pageInUse(write.log, id)
          const page = log.pages.get(id)
          if (page !== undefined) undo.push(() => log.pages.set(id, page))
          log.pages.delete(id)
        }
    }
  }

  #applyMeta(key: string, value: Uint8Array | undefined, undo: Array<() => void>): void {
    const before = this.#meta.get(key)
    undo.push(() => this.#setMeta(key, before))
    this.#setMeta(key, value)
  }

  #setMeta(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#meta.delete(key)
    else this.#meta.set(key, value)
  }

  #log(name: string): MemoryLog {
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = { entries: [], pages: new Map(), header: undefined }
      this.#logs.set(name, log)
    }
    return log
  }

  #restorePoint(name: string): () => void {
    const log = this.#logs.get(name)
    if (log === undefined) return () => void this.#logs.delete(name)
    const { entries, pages, header } = log
    const { length } = entries
    return () => {
      entries.length = length
      this.#logs.set(name, { entries, pages, header })
    }
  }
}

function append(name: string, log: MemoryLog, entries: readonly StoredEntry[]): void {
  for (const entry of entries) {
    const highest = log.entries.at(-1)?.index ?? -1
    if (entry.index <= highest) throw notAbove(name, entry.index, highest)
    log.entries.push(entry)
  }
}

/** The position of the first entry with an index ≥ `index`. */
function firstAtOrAbove(entries: readonly StoredEntry[], index: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.index < index) low = middle + 1
    else high = middle
  }
  return low
}
