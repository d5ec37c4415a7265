import { join, resolve } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { PortalError } from '../../core/errors.js'
import { type Database, loadSqlite } from './binding.js'
import { RowChecksums } from './checksums.js'
import { DATABASE_FILE, openReaderConnection, openWriterConnection } from './connection.js'
import { makeDirectory, syncDirectory } from './directory.js'
import { lockDirectory } from './directory-lock.js'
import { packError, type WorkerSettings } from './protocol.js'
import { Reader } from './reader.js'
import { serveReader } from './reader-thread.js'
import { Writer } from './writer.js'
import { serveWriter } from './writer-thread.js'

/** The storage's threads begin here: one writes, one reads. */
const settings = workerData as WorkerSettings
const port = parentPort!
const directory = resolve(settings.directory)
const path = join(directory, DATABASE_FILE)
const checksums = new RowChecksums(crc32)

if (settings.role === 'writer') {
  try {
    startWriter()
  } catch (error) {
    port.postMessage({
      type: 'failed',
      error: packError(explain(error), 'STORAGE_FAILED', `Cannot open ${path}`),
    })
  }
} else
  serveReader(port, () => {
    const db = openReaderConnection(loadSqlite(), path)
    return { reader: new Reader(db, checksums, crc32), close: () => db.close() }
  })

function startWriter(): void {
  const Database = loadSqlite()
  makeDirectory(directory)
  const lock = lockDirectory(Database, directory, settings.program)
  const opened: Database[] = []
  try {
    const db = openWriterConnection(Database, path, settings)
    opened.push(db)
    // It only has to be there, and to have looked at the database once: see `close` in writer-thread.ts.
    const keeper = openReaderConnection(Database, path)
    opened.push(keeper)
    keeper.prepare('SELECT count(*) FROM properties').get()
    // SQLite syncs the folder after making its files, but takes no notice of an error.
    syncDirectory(directory)
    const writer = new Writer(db, { checksums, synchronous: settings.synchronous })
    port.postMessage({ type: 'ready', ...writer.open() })
    serveWriter(port, writer, keeper, lock.release)
  } catch (error) {
    for (const db of opened) db.close()
    lock.release()
    throw error
  }
}

function explain(error: unknown): unknown {
  const { code } = error as { code?: string }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB') {
    return new PortalError(
      'CORRUPT',
      `${path} is damaged: ${(error as Error).message}. Restore it from a backup.`,
      {
        cause: error,
      },
    )
  }
  return error
}
