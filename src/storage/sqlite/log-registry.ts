import type { Database, Statement } from './binding.js'
import type { RowChecksums } from './checksums.js'

/** A log as the writer knows it. */
export interface KnownLog {
  readonly name: string
  /** What its rows are filed under. */
  readonly id: number
  /** The checksum that those of its rows continue from. */
  readonly nameChecksum: number
  /** The highest index that it holds, -1 if none; undefined when something was removed since it was looked up. */
  highest: number | undefined
}

/** From the handles of the main thread, through names, to the small integers that rows are filed under. */
export class LogRegistry {
  readonly #checksums: RowChecksums
  readonly #find: Statement
  readonly #insert: Statement
  readonly #names = new Map<number, string>()
  readonly #logs = new Map<number, KnownLog>()

  constructor(db: Database, checksums: RowChecksums) {
    this.#checksums = checksums
    this.#find = db.prepare('SELECT id FROM logs WHERE name = ?').pluck()
    this.#insert = db.prepare('INSERT INTO logs (name) VALUES (?)')
  }

  name(handle: number, name: string): void {
    this.#names.set(handle, name)
  }

  /** The log, if it is registered. */
  find(handle: number): KnownLog | undefined {
    const known = this.#logs.get(handle)
    if (known !== undefined) return known
    const id = this.#find.get(this.#names.get(handle)!) as number | undefined
    return id === undefined ? undefined : this.#remember(handle, id)
  }

  /** The log, registered now if it was not. */
  findOrAdd(handle: number): KnownLog {
    return (
      this.find(handle) ??
      this.#remember(handle, Number(this.#insert.run(this.#names.get(handle)!).lastInsertRowid))
    )
  }

  /** Forgets the ids of one log that was deleted, or of all after a rollback; names stay. */
  forget(handle?: number): void {
    if (handle === undefined) this.#logs.clear()
    else this.#logs.delete(handle)
  }

  #remember(handle: number, id: number): KnownLog {
    const name = this.#names.get(handle)!
    const log = { name, id, nameChecksum: this.#checksums.ofName(Buffer.from(name)), highest: undefined }
    this.#logs.set(handle, log)
    return log
  }
}
