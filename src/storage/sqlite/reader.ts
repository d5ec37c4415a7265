import type { Crc32 } from '../../core/crc32.js'
import { ENTRY_KINDS } from '../../core/entry.js'
import { PortalError } from '../../core/errors.js'
import type { SnapshotHeader, StoredSnapshot } from '../storage.js'
import { corrupt, verifySeal } from '../verify.js'
import type { Database, Statement } from './binding.js'
import type { RowChecksums } from './checksums.js'
import { pageIds } from './commit-packing.js'
import { type EntryRow, INDEX, PAYLOAD, packEntries } from './entry-packing.js'
import { HighestIndex } from './highest-index.js'
import type { ReadRequest } from './protocol.js'
import { type Range, subtract } from './visible-ranges.js'

type RangeRequest = Extract<ReadRequest, { type: 'read' }>

const COLUMNS = 'idx, epoch, version, base_offset, count, append_time, safe_time, crc, payload'

/**
 * Answers reads, each in a transaction of its own: one moment's state, and gone before the write-ahead log has to wait
 * for it. Nothing leaves unchecked.
 */
export class Reader {
  readonly #db: Database
  readonly #checksums: RowChecksums
  readonly #crc32: Crc32
  readonly #highest: HighestIndex
  readonly #logId: Statement
  readonly #logs: Statement
  readonly #anythingElse: Statement
  readonly #batches: Statement
  readonly #states: Statement
  readonly #hidden: Statement
  readonly #header: Statement
  readonly #pages: Statement
  readonly #pageIds: Statement
  readonly #meta: Statement

  constructor(db: Database, checksums: RowChecksums, crc32: Crc32) {
    this.#db = db
    this.#checksums = checksums
    this.#crc32 = crc32
    this.#highest = new HighestIndex(db)
    this.#logId = db.prepare('SELECT id FROM logs WHERE name = ?').pluck()
    this.#logs = db.prepare('SELECT id, name FROM logs WHERE name IS NOT NULL').raw()
    this.#anythingElse = db
      .prepare(
        'SELECT EXISTS (SELECT 1 FROM pages WHERE log = ?) OR EXISTS (SELECT 1 FROM snapshot_headers WHERE log = ?)',
      )
      .pluck()
    const range = 'WHERE log = ? AND idx >= ? AND idx < ? ORDER BY idx'
    this.#batches = db.prepare(`SELECT 0, ${COLUMNS} FROM batches ${range}`).raw()
    this.#states = db.prepare(`SELECT kind, ${COLUMNS} FROM states ${range}`).raw()
    this.#hidden = db.prepare('SELECT low, high FROM deletions WHERE log = ? AND what = ?').raw()
    this.#header = db
      .prepare('SELECT idx, epoch, crc, pages, payload FROM snapshot_headers WHERE log = ?')
      .raw()
    this.#pageIds = db.prepare('SELECT page FROM pages WHERE log = ? ORDER BY page').pluck()
    this.#pages = db.prepare('SELECT page, crc, payload FROM pages WHERE log = ? ORDER BY page').raw()
    this.#meta = db.prepare('SELECT name, crc, value FROM meta WHERE name >= ? ORDER BY name').raw()
  }

  answer(request: ReadRequest): unknown {
    return this.#db.transaction(() => {
      switch (request.type) {
        case 'logs':
          return this.logs()
        case 'read':
          return this.read(request)
        case 'snapshot':
          return this.readSnapshot(request.log)
        case 'page-ids':
          return this.pageIds(request.log)
        case 'meta':
          return this.readMeta(request.prefix)
      }
    })()
  }

  logs(): string[] {
    const all = this.#logs.all() as [id: number, name: string][]
    return all
      .filter(([id]) => this.#highest.of(id) >= 0 || this.#anythingElse.get(id, id) === 1)
      .map(([, name]) => name)
  }

  /** The entries, packed: see entry-packing.ts. */
  read(request: RangeRequest): ArrayBuffer {
    const { log, maxBytes } = request
    const rows: EntryRow[] = []
    const id = this.#logId.get(log) as number | undefined
    if (id === undefined) return packEntries(rows)
    const name = this.#checksums.ofName(Buffer.from(log))
    let bytes = 0
    let last = request.from - 1
    try {
      for (const row of this.#entries(id, request)) {
        if (rows.length > 0 && bytes >= maxBytes) break
        this.#verifyEntry(log, name, row)
        rows.push(row)
        last = row[INDEX]
        bytes += row[PAYLOAD].length
      }
    } catch (error) {
      throw damage(log, `what follows entry ${last}`, error)
    }
    return packEntries(rows)
  }

  pageIds(log: string): number[] {
    const id = this.#logId.get(log) as number | undefined
    return id === undefined ? [] : (this.#pageIds.all(id) as number[])
  }

  readSnapshot(log: string): StoredSnapshot | undefined {
    const id = this.#logId.get(log) as number | undefined
    if (id === undefined) return undefined
    try {
      const header = this.#readHeader(log, id)
      return header && this.#readPages(log, id, header)
    } catch (error) {
      throw damage(log, 'the snapshot', error)
    }
  }

  readMeta(prefix: string): Map<string, Uint8Array> {
    const values = new Map<string, Uint8Array>()
    for (const row of this.#meta.iterate(prefix)) {
      const [key, crc, value] = row as [string, number, Buffer]
      if (!key.startsWith(prefix)) break
      if (this.#checksums.ofMeta(Buffer.from(key), value) !== crc) {
        throw new PortalError(
          'CORRUPT',
          `Storage is damaged: the value of ${key} does not match its checksum.`,
        )
      }
      values.set(key, value)
    }
    return values
  }

  /** Of both tables, by rising index. */
  *#entries(id: number, request: RangeRequest): Generator<EntryRow> {
    const batches = this.#rows(this.#batches, 'batches', id, request)
    if (request.messagesOnly) return yield* batches
    const states = this.#rows(this.#states, 'states', id, request)
    try {
      let batch = batches.next()
      let state = states.next()
      while (!batch.done || !state.done) {
        if (state.done || (!batch.done && batch.value[INDEX] < state.value[INDEX])) {
          yield batch.value!
          batch = batches.next()
        } else {
          yield state.value
          state = states.next()
        }
      }
    } finally {
      batches.return(undefined)
      states.return(undefined)
    }
  }

  *#rows(
    statement: Statement,
    what: string,
    id: number,
    { from, to }: RangeRequest,
  ): Generator<EntryRow, undefined> {
    const hidden = this.#hidden.all(id, what) as Range[]
    for (const [low, high] of subtract([from, to], hidden)) {
      yield* statement.iterate(id, low, high) as IterableIterator<EntryRow>
    }
  }

  #verifyEntry(log: string, name: number, row: EntryRow): void {
    const [kind, index, epoch, version, baseOffset, count, appendTime, safeTime, crc, payload] = row
    verifySeal(log, `entry ${index}`, payload, this.#crc32)
    const expected = this.#checksums.ofEntry(
      name,
      index,
      epoch,
      kind,
      version,
      baseOffset,
      count,
      appendTime,
      safeTime,
      payload,
    )
    if (expected !== crc || ENTRY_KINDS[kind] === undefined) {
      throw corrupt(log, `entry ${index}`, 'its header does not match its checksum')
    }
  }

  #readHeader(log: string, id: number): SnapshotHeader | undefined {
    const row = this.#header.get(id) as [number, number, number, Buffer, Buffer] | undefined
    if (row === undefined) return undefined
    const [index, epoch, crc, pages, payload] = row
    verifySeal(log, 'the snapshot header', payload, this.#crc32)
    const name = this.#checksums.ofName(Buffer.from(log))
    if (this.#checksums.ofSnapshotHeader(name, index, epoch, pages, payload) !== crc) {
      throw corrupt(log, 'the snapshot header', 'it does not match its checksum')
    }
    return { index, epoch, pages: pageIds(pages), payload }
  }

  #readPages(log: string, id: number, header: SnapshotHeader): StoredSnapshot {
    const name = this.#checksums.ofName(Buffer.from(log))
    const named = new Set(header.pages)
    const found = new Map<number, Uint8Array>()
    const strayPages: number[] = []
    for (const row of this.#pages.iterate(id)) {
      const [page, crc, payload] = row as [number, number, Buffer]
      if (!named.has(page)) {
        strayPages.push(page)
        continue
      }
      verifySeal(log, `page ${page}`, payload, this.#crc32)
      if (this.#checksums.ofPage(name, page, payload) !== crc) {
        throw corrupt(log, `page ${page}`, 'it does not match its checksum')
      }
      found.set(page, payload)
    }
    const pages = header.pages.map((page) => {
      const payload = found.get(page)
      if (payload === undefined) throw corrupt(log, `page ${page}`, 'the snapshot names it and it is missing')
      return payload
    })
    return { header, pages, strayPages }
  }
}

/** SQLite finds damage of its own structures by itself. */
function damage(log: string, what: string, error: unknown): unknown {
  const { code } = error as { code?: unknown }
  if (code === 'SQLITE_CORRUPT' || String(code).startsWith('SQLITE_CORRUPT_') || code === 'SQLITE_NOTADB') {
    return corrupt(log, what, 'the database file is malformed', error)
  }
  return error
}
