import type { Database } from './binding.js'

export type WriteStatements = ReturnType<typeof prepareWrites>

/** Preparing a statement costs more than running one: each once. */
export function prepareWrites(db: Database) {
  return {
    insertBatch: db.prepare(
      'INSERT INTO batches (log, idx, epoch, version, base_offset, count, append_time, safe_time, crc, payload) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    insertState: db.prepare(
      'INSERT INTO states (log, idx, kind, epoch, version, base_offset, count, append_time, safe_time, crc, payload) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    insertPage: db.prepare('INSERT OR IGNORE INTO pages (log, page, crc, payload) VALUES (?, ?, ?, ?)'),
    hasPage: db.prepare('SELECT 1 FROM pages WHERE log = ? AND page = ?').pluck(),
    deletePage: db.prepare('DELETE FROM pages WHERE log = ? AND page = ?'),
    publishedPages: db.prepare('SELECT pages FROM snapshot_headers WHERE log = ?').pluck(),
    setHeader: db.prepare(
      'INSERT OR REPLACE INTO snapshot_headers (log, idx, epoch, crc, pages, payload) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    deleteHeader: db.prepare('DELETE FROM snapshot_headers WHERE log = ?'),
    dropName: db.prepare('UPDATE logs SET name = NULL WHERE id = ?'),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta (name, crc, value) VALUES (?, ?, ?)'),
    deleteMeta: db.prepare('DELETE FROM meta WHERE name = ?'),
  }
}
