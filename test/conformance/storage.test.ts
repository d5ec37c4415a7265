import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { storageConformance } from '../../src/storage/conformance.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { openSqliteStorage, type SqliteStorageOptions } from '../../src/storage/sqlite/sqlite.js'

describe('memory storage', () => {
  for (const { name, run } of storageConformance({ persistent: false })) {
    test(name, () => run(async () => memoryStorage()))
  }
})

describe.each<[string, Omit<SqliteStorageOptions, 'directory'>]>([
  ['synchronous full', {}],
  ['synchronous normal', { synchronous: 'normal' }],
  ['pages of 16 KiB', { pageSize: 16_384 }],
])('SQLite storage, %s', (_, options) => {
  for (const { name, run } of storageConformance({ persistent: true })) {
    test(name, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'portal-mq-storage-'))
      try {
        await run(() => openSqliteStorage({ ...options, directory }))
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    })
  }
})
