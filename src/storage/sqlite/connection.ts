import { PortalError } from '../../core/errors.js'
import type { Database, DatabaseConstructor } from './binding.js'
import { isEmpty, migrate } from './schema.js'

export const DATABASE_FILE = 'portal-mq.db'

export type Synchronous = 'full' | 'normal'

export interface WriterConnectionOptions {
  readonly synchronous: Synchronous
  readonly pageSize: number
}

/** How long a RESTART checkpoint waits for readers, in milliseconds; their transactions take a few. Nothing else waits. */
const BUSY_TIMEOUT = 200

/** The one connection that writes. */
export function openWriterConnection(
  Database: DatabaseConstructor,
  path: string,
  options: WriterConnectionOptions,
): Database {
  const db = new Database(path, { timeout: BUSY_TIMEOUT })
  try {
    if (isEmpty(db)) {
      db.pragma(`page_size = ${options.pageSize}`)
      // So that space can be given back. What it cost writes, 3% of the mean of
      // three runs on tmpfs, is less than their scatter (10%).
      set(db, 'auto_vacuum', 2)
    }
    set(db, 'journal_mode', 'wal')
    set(db, 'synchronous', options.synchronous === 'full' ? 2 : 1)
    // Checkpoints run after the replies, by checkpoint.ts.
    set(db, 'wal_autocheckpoint', 0)
    // The file gives back what a burst made it grow to.
    set(db, 'journal_size_limit', 8 * 2 ** 20)
    db.pragma('cache_size = -8000')
    db.pragma('temp_store = MEMORY')
    migrate(db, path)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

export function openReaderConnection(Database: DatabaseConstructor, path: string): Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT })
  // Rows are read once, in order; the operating system caches the file already.
  db.pragma('cache_size = -2000')
  return db
}

/** Sets a pragma and reads it back: some builds override or ignore them. */
function set(db: Database, name: string, value: string | number): void {
  db.pragma(`${name} = ${value}`)
  const found = db.pragma(name, { simple: true })
  if (found === value) return
  throw new PortalError(
    'UNSUPPORTED',
    `SQLite keeps ${name} at ${found} instead of ${value} here. ` +
      'The directory may be on a file system without shared memory or locks: use a local disk.',
  )
}
