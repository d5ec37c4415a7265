import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { PortalError } from '../../core/errors.js'
import type { DatabaseConstructor } from './binding.js'

const LOCK_FILE = 'portal-mq.lock'
const HOLDER_FILE = 'portal-mq.pid'

export interface DirectoryLock {
  release(): void
}

/**
 * Makes sure that one broker at a time uses `directory`. The truth is an exclusive SQLite lock on a small file beside
 * the database: it excludes brokers of this process as well as of others, and the kernel frees it when the process dies,
 * however it dies. The holder file only serves to name the holder.
 */
export function lockDirectory(
  Database: DatabaseConstructor,
  directory: string,
  program: string,
): DirectoryLock {
  const db = new Database(join(directory, LOCK_FILE), { timeout: 0 })
  try {
    // Nothing is ever written: no journal, and no sync that could fail.
    db.pragma('journal_mode = MEMORY')
    db.pragma('synchronous = OFF')
    db.pragma('locking_mode = EXCLUSIVE')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) throw inUse(directory)
    throw error
  }
  const holderFile = join(directory, HOLDER_FILE)
  writeFileSync(holderFile, `${JSON.stringify(thisProcess(program))}\n`)
  return {
    release() {
      rmSync(holderFile, { force: true })
      db.close()
    },
  }
}

interface Holder {
  readonly pid: number
  readonly host: string
  readonly started: string
  readonly title: string
}

function thisProcess(program: string): Holder {
  return {
    pid: process.pid,
    host: hostname(),
    started: new Date(Date.now() - process.uptime() * 1000).toISOString(),
    title: program,
  }
}

function inUse(directory: string): PortalError<'DIRECTORY_IN_USE'> {
  return new PortalError(
    'DIRECTORY_IN_USE',
    `The directory ${directory} is in use by ${describeHolder(directory)}. Two brokers cannot share one: ` +
      'stop that one, or give this one a directory of its own.',
  )
}

function describeHolder(directory: string): string {
  try {
    const holder = JSON.parse(readFileSync(join(directory, HOLDER_FILE), 'utf8')) as Holder
    const where = holder.pid === process.pid ? 'another broker of this process' : 'process'
    return `${where} ${holder.pid} (${holder.title}) on ${holder.host}, started ${holder.started}`
  } catch {
    return 'another process'
  }
}
