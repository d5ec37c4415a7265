import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type SqliteDatabase from 'better-sqlite3'
import { PortalError } from '../../core/errors.js'

export type Database = SqliteDatabase.Database
export type Statement = SqliteDatabase.Statement<unknown[], unknown>
export type DatabaseConstructor = new (path: string, options?: SqliteDatabase.Options) => Database

/** SQLite before this could lose a commit when a checkpoint and a writer reset the write-ahead log at the same moment. */
const OLDEST_SQLITE = [3, 51, 3] as const

/** How the package is reached; a test hands in its own. */
export interface PackageAccess {
  readonly nodeVersion: string
  /** The version of the installed package. Throws if there is none. */
  version(): string
  load(): DatabaseConstructor
}

/**
 * Loads better-sqlite3, or throws UNSUPPORTED with the command that mends it. The version is looked at first, because
 * these do not throw, they kill the process: version 13 on Node 20 at once, version 12 on Node 24 when it collects garbage (its header
 * node_object_wrap.h then asserts an environment that is not there; seen with 24.21).
 */
export function loadSqlite(access: PackageAccess = installedPackage()): DatabaseConstructor {
  const version = versionOf(access)
  if (major(version) >= 13 && major(access.nodeVersion) < 22) {
    throw unsupported(
      `better-sqlite3 ${version} needs Node 22 or later, and this is Node ${access.nodeVersion}`,
      'npm install better-sqlite3@12, or: pnpm add better-sqlite3@12 (or use a later Node)',
    )
  }
  if (major(version) < 13 && major(access.nodeVersion) >= 24) {
    throw unsupported(
      `better-sqlite3 ${version} aborts a process of Node 24 or later when garbage is collected, and this is Node ${access.nodeVersion}`,
      'npm install better-sqlite3@13, or: pnpm add better-sqlite3@13',
    )
  }
  let Database: DatabaseConstructor
  try {
    Database = access.load()
    new Database(':memory:').close()
  } catch (error) {
    throw unsupported(
      `better-sqlite3 ${version} cannot be loaded by Node ${access.nodeVersion}: its binary is missing or made for another Node`,
      'npm rebuild better-sqlite3 (npm 12 first: npm install-scripts approve better-sqlite3), ' +
        'or: pnpm approve-builds && pnpm rebuild better-sqlite3',
      error,
    )
  }
  checkSqliteVersion(Database)
  return Database
}

function versionOf(access: PackageAccess): string {
  try {
    return access.version()
  } catch (error) {
    throw unsupported(
      'better-sqlite3, which keeps messages on disk, is not installed',
      'npm install better-sqlite3, or: pnpm add better-sqlite3',
      error,
    )
  }
}

function checkSqliteVersion(Database: DatabaseConstructor): void {
  const probe = new Database(':memory:')
  const found = probe.prepare('SELECT sqlite_version()').pluck().get() as string
  probe.close()
  const parts = found.split('.').map(Number)
  for (let at = 0; at < OLDEST_SQLITE.length; at++) {
    const difference = (parts[at] ?? 0) - OLDEST_SQLITE[at]!
    if (difference > 0) return
    if (difference < 0) {
      throw unsupported(
        `better-sqlite3 brings SQLite ${found}, which can lose committed data; ${OLDEST_SQLITE.join('.')} is the oldest that is safe`,
        'npm update better-sqlite3, or: pnpm update better-sqlite3',
      )
    }
  }
}

function installedPackage(): PackageAccess {
  const require = createRequire(import.meta.url)
  return {
    nodeVersion: process.versions.node,
    version: () => packageVersion(require.resolve('better-sqlite3')),
    load: () => require('better-sqlite3') as DatabaseConstructor,
  }
}

/** Walks up from the package's main file: its manifest need not be exported. */
function packageVersion(mainFile: string): string {
  for (let folder = dirname(mainFile); ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
        string,
        string
      >
      if (manifest['name'] === 'better-sqlite3') return manifest['version']!
    } catch (error) {
      if (dirname(folder) === folder) throw error
    }
    if (dirname(folder) === folder) throw new Error(`No package.json above ${mainFile}.`)
  }
}

function major(version: string): number {
  return Number.parseInt(version, 10)
}

function unsupported(what: string, command: string, cause?: unknown): PortalError<'UNSUPPORTED'> {
  return new PortalError('UNSUPPORTED', `${what}. Run: ${command}`, cause === undefined ? {} : { cause })
}
