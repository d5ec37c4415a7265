import { describe, expect, test } from 'vitest'
import { packError, unpackError } from '../../src/storage/sqlite/protocol.js'

describe('an error of SQLite', () => {
  test.each([
    ['SQLITE_FULL', /is full \(SQLITE_FULL\)\. Make room on the disk, then start/],
    ['SQLITE_CORRUPT', /The database is damaged\. In a cluster start the broker on an empty directory/],
    ['SQLITE_CORRUPT_INDEX', /restored from a backup/],
    ['SQLITE_NOTADB', /restored from a backup/],
    ['SQLITE_IOERR_FSYNC', /Look after the disk \(dmesg\), then start/],
    ['SQLITE_BUSY', /Cannot commit: the disk is full \(SQLITE_BUSY\)$/],
  ])('says what to do: %s', (code, message) => {
    const error = Object.assign(new Error('the disk is full'), { code })
    const told = unpackError(packError(error, 'STORAGE_FAILED', 'Cannot commit'))
    expect(told).toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringMatching(message),
      cause: { code },
    })
  })
})
