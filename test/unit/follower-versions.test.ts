import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { Committer } from '../../src/broker/committer.js'
import { Follower } from '../../src/broker/replication/follower.js'
import { ENTRY_VERSION, type StoredEntry } from '../../src/core/entry.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { epochEntry } from './fetch-support/epoch-entry.js'

const NAME = { topicId: 't', partition: 0, log: 't/0' }

it('a follower that is sent an entry of a version it does not read stops, and stores nothing of that answer', async () => {
  const runtime = systemRuntime({ crc32 })
  const storage = memoryStorage({ crc32 })
  const committer = new Committer(storage, runtime.timers, () => {})
  const follower = await Follower.open({ runtime, storage, committer }, NAME)
  follower.follow({ broker: 'a', storage: 's' }, 1)
  const take = (...entries: StoredEntry[]) =>
    follower.take(follower.position(), {
      ...NAME,
      type: 'entries',
      entries,
      highWatermark: 0,
      round: 3,
      documentVersion: 2,
    })
  await take(epochEntry(0, ENTRY_VERSION))
  await expect(take(epochEntry(1, ENTRY_VERSION), epochEntry(2, ENTRY_VERSION + 1))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('Install a newer portal-mq here'),
  })
  expect(follower.next).toBe(1)
  expect(await storage.read(NAME.log, { from: 0, maxBytes: 1 << 20 })).toHaveLength(1)
})
