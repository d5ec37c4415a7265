import { notAbove, pageExists, pageInUse, pageMissing } from '../check-writes.js'
import type { Database } from './binding.js'
import type { RowChecksums } from './checksums.js'
import * as packing from './commit-packing.js'
import { Deletions, NO_END } from './deletions.js'
import { HighestIndex } from './highest-index.js'
import { type KnownLog, LogRegistry } from './log-registry.js'
import { prepareWrites, type WriteStatements } from './write-statements.js'

/** The code of `messages`: entries of this kind go to their own table, which has no column for it. */
export const MESSAGES_CODE = 0

/** Carries out packed commits, within a transaction that its caller opens and ends. */
export class CommitApplier {
  readonly deletions: Deletions
  readonly #statements: WriteStatements
  readonly #registry: LogRegistry
  readonly #highest: HighestIndex
  readonly #checksums: RowChecksums
  #buffer = new ArrayBuffer(0)
  #numbers = new Float64Array(0)
  /** Where the next number and the next bytes are. */
  #at = 0
  #byteAt = 0

  constructor(db: Database, checksums: RowChecksums) {
    this.deletions = new Deletions(db)
    this.#statements = prepareWrites(db)
    this.#registry = new LogRegistry(db, checksums)
    this.#highest = new HighestIndex(db)
    this.#checksums = checksums
  }

  /** Throws INVALID_ARGUMENT if a write does not fit the log; the caller then rolls back. */
  apply(commit: ArrayBuffer): void {
    const length = packing.numbersOf(commit)
    this.#buffer = commit
    this.#numbers = new Float64Array(commit, 0, length)
    this.#at = packing.COMMIT_NUMBERS
    this.#byteAt = length * Float64Array.BYTES_PER_ELEMENT
    while (this.#at < length) this.#applyWrite(this.#next())
  }

  /** Nothing that was looked up or noted in the transaction holds any more. */
  rolledBack(): void {
    this.#registry.forget()
    this.deletions.rolledBack()
  }

  #applyWrite(type: number): void {
    if (type === packing.SET_META || type === packing.REMOVE_META) return this.#meta(type)
    const handle = this.#next()
    if (type === packing.NAME) return this.#registry.name(handle, this.#bytes(this.#next()).toString())
    if (type === packing.APPEND) return this.#append(this.#registry.findOrAdd(handle))
    if (type === packing.PAGE) return this.#page(this.#registry.findOrAdd(handle))
    if (type === packing.SNAPSHOT) return this.#snapshot(this.#registry.findOrAdd(handle))
    if (type === packing.DROP_PAGES) return this.#dropPages(this.#registry.find(handle))
    if (type === packing.DELETE_LOG) return this.#deleteLog(handle)
    this.#removeEntries(type, this.#registry.find(handle))
  }

  #append(log: KnownLog): void {
    const count = this.#next()
    if (count > 0 && log.highest === undefined) this.#lookUpHighest(log, this.#numbers[this.#at]!)
    for (let nth = 0; nth < count; nth++) this.#appendOne(log)
  }

  #appendOne(log: KnownLog): void {
    const numbers = this.#numbers
    const at = this.#at
    this.#at += packing.ENTRY_NUMBERS
    const index = numbers[at]!
    const epoch = numbers[at + 1]!
    const kind = numbers[at + 2]!
    const version = numbers[at + 3]!
    const base = numbers[at + 4]!
    const count = numbers[at + 5]!
    const appendTime = numbers[at + 6]!
    const safeTime = numbers[at + 7]!
    const payload = this.#bytes(numbers[at + 8]!)
    if (index <= log.highest!) throw notAbove(log.name, index, log.highest!)
    log.highest = index
    const crc = this.#checksums.ofEntry(
      log.nameChecksum,
      index,
      epoch,
      kind,
      version,
      base,
      count,
      appendTime,
      safeTime,
      payload,
    )
    const { insertBatch, insertState } = this.#statements
    if (kind === MESSAGES_CODE) {
      insertBatch.run(log.id, index, epoch, version, base, count, appendTime, safeTime, crc, payload)
    } else {
      insertState.run(log.id, index, kind, epoch, version, base, count, appendTime, safeTime, crc, payload)
    }
  }

  #lookUpHighest(log: KnownLog, first: number): void {
    log.highest = this.#highest.of(log.id)
    // Rows of a range that is still being removed may stand where these entries go, or the range may cover them.
    this.deletions.finish(log.id, 'batches', first)
    this.deletions.finish(log.id, 'states', first)
  }

  #removeEntries(type: number, log: KnownLog | undefined): void {
    const bound = this.#next()
    const end = type === packing.DELETE_BATCHES ? this.#next() : NO_END
    if (log === undefined) return
    log.highest = undefined
    if (type === packing.TRUNCATE) {
      // At once, however much it is: it is nearly always a short tail, and the next append uses the indexes again.
      this.deletions.now(log.id, 'batches', bound, NO_END)
      this.deletions.now(log.id, 'states', bound, NO_END)
    } else if (type === packing.DELETE_BATCHES) this.deletions.range(log.id, 'batches', bound, end)
    else {
      this.deletions.range(log.id, 'states', 0, bound)
      if (type === packing.DROP_PREFIX) this.deletions.range(log.id, 'batches', 0, bound)
    }
  }

  #page(log: KnownLog): void {
    const id = this.#next()
    const payload = this.#bytes(this.#next())
    const crc = this.#checksums.ofPage(log.nameChecksum, id, payload)
    if (this.#statements.insertPage.run(log.id, id, crc, payload).changes === 0)
      throw pageExists(log.name, id)
  }

  #snapshot(log: KnownLog): void {
    const index = this.#next()
    const epoch = this.#next()
    const payload = this.#bytes(this.#next())
    const ids = this.#list()
    for (const id of ids) {
      if (this.#statements.hasPage.get(log.id, id) === undefined) throw pageMissing(log.name, id)
    }
    const pages = Buffer.from(ids.buffer)
    const crc = this.#checksums.ofSnapshotHeader(log.nameChecksum, index, epoch, pages, payload)
    this.#statements.setHeader.run(log.id, index, epoch, crc, pages, payload)
  }

  #dropPages(log: KnownLog | undefined): void {
    const ids = this.#list()
    if (log === undefined) return
    const published = new Set(
      packing.pageIds(this.#statements.publishedPages.get(log.id) as Buffer | undefined),
    )
    for (const id of ids) {
      if (published.has(id)) throw pageInUse(log.name, id)
      this.#statements.deletePage.run(log.id, id)
    }
  }

  #deleteLog(handle: number): void {
    const log = this.#registry.find(handle)
    if (log === undefined) return
    this.#registry.forget(handle)
    this.#statements.dropName.run(log.id)
    this.#statements.deleteHeader.run(log.id)
    this.deletions.wholeLog(log.id)
  }

  #meta(type: number): void {
    const keyLength = this.#next()
    const valueLength = type === packing.SET_META ? this.#next() : 0
    const key = this.#bytes(keyLength)
    if (type === packing.REMOVE_META) this.#statements.deleteMeta.run(key.toString())
    else {
      const value = this.#bytes(valueLength)
      this.#statements.setMeta.run(key.toString(), this.#checksums.ofMeta(key, value), value)
    }
  }

  #next(): number {
    return this.#numbers[this.#at++]!
  }

  #bytes(length: number): Buffer {
    const bytes = Buffer.from(this.#buffer, this.#byteAt, length)
    this.#byteAt += length
    return bytes
  }

  #list(): Float64Array {
    const length = this.#next()
    const list = this.#numbers.slice(this.#at, this.#at + length)
    this.#at += length
    return list
  }
}
