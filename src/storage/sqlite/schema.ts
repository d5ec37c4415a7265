import { PortalError } from '../../core/errors.js'
import type { Database } from './binding.js'

/** "pmq1": marks the file as ours, so that somebody else's database is refused, not written into. */
const APPLICATION_ID = 0x706d7131

/**
 * Migrations by the version that they lead to, from 1. Never change one that was released: add the next.
 *
 * - Batches and state entries live apart: state entries go as soon as a snapshot covers them, and between batches they
 *   would leave holes that nothing fills again (2.6 × against 1.3 × the live bytes).
 * - Both have an append rowid and a narrow unique index; a table clustered by (log, idx) was four times slower with a
 *   hundred partitions.
 * - `payload` stands last: a row's header is read without its overflow pages.
 * - `deletions` are ranges that are already gone for readers and whose rows still wait to be removed, slice by slice.
 * - `properties` are the adapter's own; `meta` is the broker's.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE properties (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO properties VALUES ('schemaVersion', 0), ('clean', 1);
  CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;
  CREATE TABLE batches (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, idx INTEGER NOT NULL, epoch INTEGER NOT NULL,
    version INTEGER NOT NULL, base_offset INTEGER NOT NULL, count INTEGER NOT NULL, append_time INTEGER NOT NULL,
    safe_time INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (log, idx)
  ) STRICT;
  CREATE TABLE states (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, idx INTEGER NOT NULL, kind INTEGER NOT NULL,
    epoch INTEGER NOT NULL, version INTEGER NOT NULL, base_offset INTEGER NOT NULL, count INTEGER NOT NULL,
    append_time INTEGER NOT NULL, safe_time INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL,
    UNIQUE (log, idx)
  ) STRICT;
  CREATE TABLE pages (
    log INTEGER NOT NULL, page INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (log, page)
  ) STRICT;
  CREATE TABLE snapshot_headers (
    log INTEGER PRIMARY KEY, idx INTEGER NOT NULL, epoch INTEGER NOT NULL, crc INTEGER NOT NULL,
    pages BLOB NOT NULL, payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE deletions (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, what TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, crc INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
  `,
]

export const SCHEMA_VERSION = MIGRATIONS.length

/** Whether the file has never been written to. */
export function isEmpty(db: Database): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0
}

/** Brings the schema up to what this build writes. Throws UNSUPPORTED for a later one or for somebody else's file. */
export function migrate(db: Database, path: string): void {
  const empty = isEmpty(db)
  if (!empty && db.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw new PortalError(
      'UNSUPPORTED',
      `${path} is a SQLite database, but not one of portal-mq. Choose another directory.`,
    )
  }
  const version = empty ? 0 : readSchemaVersion(db)
  if (version > SCHEMA_VERSION) {
    throw new PortalError(
      'UNSUPPORTED',
      `${path} was written by a later portal-mq (schema ${version}; this one knows up to ${SCHEMA_VERSION}). ` +
        'Install that version or a later one, or restore a backup from before the upgrade.',
    )
  }
  if (version === SCHEMA_VERSION) return
  db.transaction(() => {
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration)
    db.prepare("UPDATE properties SET value = ? WHERE name = 'schemaVersion'").run(SCHEMA_VERSION)
    db.pragma(`application_id = ${APPLICATION_ID}`)
  }).immediate()
}

function readSchemaVersion(db: Database): number {
  return db.prepare("SELECT value FROM properties WHERE name = 'schemaVersion'").pluck().get() as number
}
