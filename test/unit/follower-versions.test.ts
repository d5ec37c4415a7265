import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { Committer } from '../../src/broker/committer.js'
import { Follower } from '../../src/broker/replication/follower.js'
import { ENTRY_VERSION, type StoredEntry } from '../../src/core/entry.js'
import { encodeBody } from '../../src/core/entry-codec.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { memoryStorage } from '../../src/storage/memory.js'

const NAME = { topicId: 't', partition: 0, log: 't/0' }

function entry(index: number, version: number): StoredEntry {
  const payload = encodeBody({ kind: 'epoch', leader: 'a' }, crc32)
  return {
    index,
    epoch: 1,
    kind: 'epoch',
    version,
    baseOffset: 0,
    count: 0,
    appendTime: 1,
    safeTime: 1,
    payload,
  }
}

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
  await take(entry(0, ENTRY_VERSION))
  await expect(take(entry(1, ENTRY_VERSION), entry(2, ENTRY_VERSION + 1))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('Install a newer portal-mq here'),
  })
  expect(follower.next).toBe(1)
  expect(await storage.read(NAME.log, { from: 0, maxBytes: 1 << 20 })).toHaveLength(1)
})
