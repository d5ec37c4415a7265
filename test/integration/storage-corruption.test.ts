import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { openSqliteStorage } from '../../src/storage/sqlite/sqlite.js'
import { temporaryDirectory } from './storage/process.js'
import { append, LOG, logEntry } from './storage/workload.js'

const ALL = { from: 0, maxBytes: Number.MAX_SAFE_INTEGER }

/** A closed storage with 80 entries and a snapshot. */
async function stored(): Promise<string> {
  const directory = await temporaryDirectory()
  const storage = await openSqliteStorage({ directory })
  for (let index = 0; index < 80; index++) await storage.commit(append(index), { durable: false })
  await storage.commit([{ type: 'meta', key: 'broker', value: new TextEncoder().encode('a name to find') }], {
    durable: true,
  })
  await storage.close()
  return directory
}

/** Flips one bit of the first place where `bytes` stands in the file, `offset` bytes into it. */
async function flip(directory: string, bytes: Uint8Array, offset: number): Promise<void> {
  const path = join(directory, 'portal-mq.db')
  const file = await readFile(path)
  const at = file.indexOf(bytes)
  expect(at).toBeGreaterThan(0)
  file[at + offset]! ^= 4
  await writeFile(path, file)
}

function change(directory: string, sql: string): void {
  const db = new Database(join(directory, 'portal-mq.db'))
  db.exec(sql)
  db.close()
}

describe('damage is reported and never served', () => {
  test('a flipped bit in a payload: CORRUPT with the log and the index; the rest can be read', async () => {
    const directory = await stored()
    await flip(directory, logEntry(12).payload.subarray(0, 40), 30)
    const storage = await openSqliteStorage({ directory })
    await expect(storage.read(LOG, ALL)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/entry 12 of log orders\/0/),
    })
    expect(await storage.read(LOG, { ...ALL, to: 12 })).toHaveLength(12)
    expect((await storage.read(LOG, { ...ALL, from: 13 })).at(0)).toEqual(logEntry(13))
    await storage.close()
  })

  test('a flipped bit in a header', async () => {
    const directory = await stored()
    const time = Buffer.alloc(8)
    time.writeBigInt64BE(BigInt(logEntry(30).appendTime))
    await flip(directory, time.subarray(2), 5)
    const storage = await openSqliteStorage({ directory })
    await expect(storage.read(LOG, ALL)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/entry 30 of log orders\/0.*header/),
    })
    await storage.close()
  })

  test.each([
    [
      'an intact payload in the wrong row',
      'UPDATE batches SET payload = (SELECT payload FROM batches WHERE idx = 4) WHERE idx = 3',
    ],
    ['a row under another index', 'UPDATE batches SET idx = 1000 WHERE idx = 3'],
    ['rows under the name of another log', "UPDATE logs SET name = 'orders/1'"],
    ['a state entry of another kind', 'UPDATE states SET kind = kind + 1 WHERE idx = 5'],
    ['a state entry of a kind that does not exist', 'UPDATE states SET kind = 99 WHERE idx = 5'],
    ['another epoch', 'UPDATE batches SET epoch = epoch + 1 WHERE idx = 3'],
    ['another base offset', 'UPDATE batches SET base_offset = base_offset + 1 WHERE idx = 3'],
    ['another count', 'UPDATE batches SET count = count + 1 WHERE idx = 3'],
    ['another safe time', 'UPDATE batches SET safe_time = safe_time + 1 WHERE idx = 3'],
    ['another version', 'UPDATE batches SET version = version + 1 WHERE idx = 3'],
  ])('%s', async (_, sql) => {
    const directory = await stored()
    change(directory, sql)
    const storage = await openSqliteStorage({ directory })
    const [log = ''] = await storage.logs()
    await expect(storage.read(log, ALL)).rejects.toMatchObject({ code: 'CORRUPT' })
    await storage.close()
  })

  test.each([
    ['a page with another id', 'UPDATE pages SET page = 1000 WHERE page = 80'],
    [
      'two pages exchanged',
      'UPDATE pages SET payload = (SELECT payload FROM pages WHERE page = 79) WHERE page = 80',
    ],
    ['a missing page', 'DELETE FROM pages WHERE page = 79'],
    ['a header for another index', 'UPDATE snapshot_headers SET idx = idx - 1'],
    [
      'a header that names its pages in another order',
      'UPDATE snapshot_headers SET pages = CAST(substr(pages, 9, 8) || substr(pages, 1, 8) AS BLOB)',
    ],
  ])('in a snapshot: %s', async (_, sql) => {
    const directory = await stored()
    change(directory, sql)
    const storage = await openSqliteStorage({ directory })
    await expect(storage.readSnapshot(LOG)).rejects.toMatchObject({ code: 'CORRUPT' })
    await storage.close()
  })

  test('a flipped bit in a named value', async () => {
    const directory = await stored()
    await flip(directory, new TextEncoder().encode('a name to find'), 3)
    const storage = await openSqliteStorage({ directory })
    await expect(storage.readMeta('')).rejects.toMatchObject({ code: 'CORRUPT' })
    await storage.close()
  })

  test('a file of something else', async () => {
    const directory = await temporaryDirectory()
    await writeFile(
      join(directory, 'portal-mq.db'),
      'this is no database, and it is long enough to be looked at. '.repeat(99),
    )
    await expect(openSqliteStorage({ directory })).rejects.toMatchObject({ code: 'CORRUPT' })
  })
})
