import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { recover } from '../../src/broker/recovery.js'
import { seal, sealedWriter } from '../../src/core/seal.js'
import { memoryStorage } from '../../src/storage/memory.js'

it('pages of a first snapshot that a crash cut short are known, and their ids are not used again', async () => {
  const storage = memoryStorage({ crc32 })
  const payload = seal(sealedWriter(), crc32)
  await storage.commit([{ type: 'page', log: 't/0', id: 7, payload }], { durable: true })
  const { book, strayPages } = await recover(storage, 't/0', crc32)
  expect(strayPages).toEqual([7])
  expect(book.nextId).toBe(8)
})
