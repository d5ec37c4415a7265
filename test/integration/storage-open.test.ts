import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { openSqliteStorage } from '../../src/storage/sqlite/sqlite.js'
import { temporaryDirectory } from './storage/process.js'
import { append, LOG, logEntry } from './storage/workload.js'

test('a directory that is missing is made, with those above it', async () => {
  const directory = join(await temporaryDirectory(), 'a', 'b')
  const storage = await openSqliteStorage({ directory })
  expect(storage.wasClean).toBe(true)
  await storage.close()
})

test.each([
  ['the directory itself', ''],
  ['something above it', 'below'],
])('a file as %s is refused', async (_, below) => {
  const file = join(await temporaryDirectory(), 'file')
  await writeFile(file, '')
  await expect(openSqliteStorage({ directory: join(file, below) })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(file),
  })
})

test('a directory where nothing can be written is refused with its name', async () => {
  await expect(openSqliteStorage({ directory: '/proc/portal-mq' })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    message: expect.stringContaining('/proc/portal-mq'),
  })
})

test('a folder where the database file should be is refused', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'portal-mq.db'))
  await expect(openSqliteStorage({ directory })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
})

test('a database that a later version wrote is refused, and left as it is', async () => {
  const directory = await temporaryDirectory()
  await (await openSqliteStorage({ directory })).close()
  const db = new Database(join(directory, 'portal-mq.db'))
  db.exec("UPDATE properties SET value = 99 WHERE name = 'schemaVersion'")
  db.close()
  await expect(openSqliteStorage({ directory })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/schema 99.*Install/),
  })
})

test("somebody else's database is refused", async () => {
  const directory = await temporaryDirectory()
  const db = new Database(join(directory, 'portal-mq.db'))
  db.exec('CREATE TABLE theirs (a)')
  db.close()
  await expect(openSqliteStorage({ directory })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})

test('what a large delete leaves is removed after a restart, and its space is given back', async () => {
  const directory = await temporaryDirectory()
  const first = await openSqliteStorage({ directory })
  for (let at = 0; at < 3_000; at += 100) {
    const entries = Array.from({ length: 100 }, (_, nth) => logEntry(at + nth))
    await first.commit([{ type: 'append', log: LOG, entries }], { durable: false })
  }
  const { usedBytes } = await first.space()
  expect(usedBytes).toBeGreaterThan(30_000_000)
  const deleted = first.commit([{ type: 'delete-log', log: LOG }], { durable: true })
  await Promise.all([deleted, first.close()])
  const second = await openSqliteStorage({ directory })
  expect(await second.logs()).toEqual([])
  await vi.waitUntil(async () => (await second.space()).usedBytes < 15_000_000, {
    timeout: 20_000,
    interval: 20,
  })
  await second.close()
})

test('the write-ahead log stays bounded under constant writing and constant reading', async () => {
  const directory = await temporaryDirectory()
  const storage = await openSqliteStorage({ directory })
  let writing = true
  async function readAll(): Promise<void> {
    while (writing) {
      for (let from = 0; writing; ) {
        const entries = await storage.read(LOG, { from, maxBytes: 1 << 20 })
        if (entries.length === 0) break
        from = entries.at(-1)!.index + 1
      }
    }
  }
  const readers = [readAll(), readAll(), readAll()]
  let largest = 0
  for (let at = 0; at < 12_000; at += 60) {
    const entries = Array.from({ length: 60 }, (_, nth) => logEntry(at + nth))
    await storage.commit([{ type: 'append', log: LOG, entries }], { durable: true })
    largest = Math.max(largest, (await stat(join(directory, 'portal-mq.db-wal'))).size)
  }
  writing = false
  await Promise.all(readers)
  expect(largest).toBeLessThan(24 * 2 ** 20)
  await storage.close()
})

test('deleting a long log does not make commits wait', async () => {
  const directory = await temporaryDirectory()
  const storage = await openSqliteStorage({ directory })
  for (let at = 0; at < 10_000; at += 100) {
    const entries = Array.from({ length: 100 }, (_, nth) => logEntry(at + nth))
    await storage.commit([{ type: 'append', log: LOG, entries }], { durable: false })
  }
  await storage.commit([{ type: 'drop-prefix', log: LOG, below: 9_999 }], { durable: true })
  const waits: number[] = []
  for (let index = 0; index < 200; index++) {
    const start = performance.now()
    const entry = { ...logEntry(10_000 + index), index: 10_000 + index }
    await storage.commit([{ type: 'append', log: LOG, entries: [entry] }], { durable: false })
    waits.push(performance.now() - start)
  }
  waits.sort((a, b) => a - b)
  // Generous: other suites share the machine. In one piece it would be the first commit that waits, for all of it.
  expect(waits[100]).toBeLessThan(20)
  await storage.close()
})

test('commits and reads of one storage do not disturb those of another', async () => {
  const storages = await Promise.all(
    [1, 2, 3].map(async () => openSqliteStorage({ directory: await temporaryDirectory() })),
  )
  await Promise.all(storages.map((storage, at) => storage.commit(append(at), { durable: true })))
  for (const [at, storage] of storages.entries()) {
    expect((await storage.read(LOG, { from: 0, maxBytes: 1 })).map(({ index }) => index)).toEqual([at])
    await storage.close()
  }
})
