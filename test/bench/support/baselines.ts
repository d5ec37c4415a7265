import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { VALUE } from './load.js'

/** Names of the baselines, as the table shows them. */
export const APPEND = 'append + fdatasync'
export const SQLITE = 'SQLite FULL'

/** Messages a write or transaction. */
const TOGETHER = 1_000

/** Messages per second appended to a file, an fdatasync after each thousand. The limit of any log on this disk. */
export function rawAppend(directory: string, count: number): number {
  const seconds = timeAppends(directory, Math.ceil(count / TOGETHER), VALUE.repeat(TOGETHER))
  return count / (seconds.reduce((sum, one) => sum + one, 0) / 1_000)
}

/** Milliseconds that each append of one message and its fdatasync took. */
export function rawAppendTimes(directory: string, count: number): number[] {
  return timeAppends(directory, count, VALUE)
}

function timeAppends(directory: string, times: number, text: string): number[] {
  mkdirSync(directory, { recursive: true })
  const bytes = Buffer.from(text)
  const file = openSync(join(directory, 'append'), 'w')
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    const began = performance.now()
    writeSync(file, bytes)
    fdatasyncSync(file)
    taken.push(performance.now() - began)
  }
  closeSync(file)
  return taken
}

/** Messages per second as rows of a table, a durable transaction for each thousand; and read back, in order. */
export function rawSqlite(directory: string, count: number): { write: number; read: number } {
  const db = openRaw(directory)
  const insert = db.prepare('INSERT INTO rows (value) VALUES (?)')
  const thousand = db.transaction(() => {
    for (let i = 0; i < TOGETHER; i++) insert.run(VALUE)
  })
  let began = performance.now()
  for (let done = 0; done < count; done += TOGETHER) thousand.immediate()
  const write = (count / (performance.now() - began)) * 1_000
  began = performance.now()
  let bytes = 0
  for (const row of db.prepare('SELECT id, value FROM rows ORDER BY id').raw().iterate()) {
    bytes += (row as [number, string])[1].length
  }
  const read = (bytes / VALUE.length / (performance.now() - began)) * 1_000
  db.close()
  return { write, read }
}

/** Milliseconds that each durable insertion of one row took. */
export function rawSqliteTimes(directory: string, count: number): number[] {
  const db = openRaw(directory)
  const insert = db.prepare('INSERT INTO rows (value) VALUES (?)')
  const taken: number[] = []
  for (let i = 0; i < count; i++) {
    const began = performance.now()
    insert.run(VALUE)
    taken.push(performance.now() - began)
  }
  db.close()
  return taken
}

function openRaw(directory: string): Database.Database {
  mkdirSync(directory, { recursive: true })
  const db = new Database(join(directory, 'raw.db'))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('DROP TABLE IF EXISTS rows; CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT')
  return db
}
