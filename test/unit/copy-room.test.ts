import { expect, it, onTestFinished } from 'vitest'
import { CopyRoom } from '../../src/broker/replication/copy-room.js'
import { distrustedLogs, installSnapshot } from '../../src/broker/replication/install.js'
import { roomySource } from '../../src/broker/replication/snapshot-source.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { encodeSnapshot, SnapshotBook } from '../../src/core/snapshot.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { epochEntry } from './fetch-support/epoch-entry.js'
import { FetchPair, LAG, type PairedPartition } from './fetch-support/fetch-pair.js'

const MIB = 1 << 20

/** A disk with so much left. */
function free(freeBytes: number, reusableBytes = 0) {
  return { freeBytes, reusableBytes }
}

/** Two partitions in sync, of which the leader alone decides what is committed when the follower is away. */
async function openPair() {
  const pair = await new FetchPair(2, { minInSync: 1 }).open()
  onTestFinished(() => pair.close())
  await pair.untilSame(10_000)
  const [full, idle] = pair.partitions as [PairedPartition, PairedPartition]
  const sendAll = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await full.send(MIB)
  }
  return { pair, full, idle, sendAll }
}

it('a follower takes messages until 16 MiB are left, and goes on by itself once there are 32', async () => {
  const { pair, full, idle, sendAll } = await openPair()
  pair.room.measured(free(20 * MIB))
  const before = full.follower.next
  await sendAll(6)
  await pair.runtime.runUntil(() => pair.room.isStalled, LAG)
  // What is taken between two looks at the disk counts.
  expect(full.follower.next - before).toBe(3)
  expect(pair.stalled).toMatchObject([
    { code: 'STORAGE_FULL', message: expect.stringMatching(/has 1[67] MiB/) },
  ])
  expect(full.isInSync).toBe(true)
  expect(full.isCommitted).toBe(false)
  await pair.runtime.runUntil(() => !full.isInSync, 2 * LAG)
  // Without it, all is committed; and it asks for nothing that it would not take, so its leader keeps nothing for it.
  expect(full.isCommitted).toBe(true)
  await pair.runtime.advance(2 * LAG)
  expect(full.leading.neededFrom).toBe(full.leading.end)
  for (const left of [16, 31]) {
    pair.room.measured(free(left * MIB))
    await pair.runtime.advance(2_000)
    expect(full.follower.next - before).toBe(3)
  }
  expect(pair.stalled).toHaveLength(1)
  pair.room.measured(free(32 * MIB))
  await pair.untilSame(LAG)
  await pair.runtime.runUntil(() => full.isInSync, LAG)
  expect(pair.room.isStalled).toBe(false)
  expect(idle.isInSync).toBe(true)
})

it('without room a follower takes what adds no messages, and stays in sync with that', async () => {
  const { pair, full, idle } = await openPair()
  pair.room.measured(free(MIB))
  for (let round = 0; round < 30; round++) {
    await idle.append()
    await full.append()
    await pair.untilSame(LAG)
    await pair.runtime.advance(1_000)
  }
  expect(pair.stalled).toEqual([])
  // Of what comes together, all that is before the first messages.
  await full.append()
  await full.send(1)
  await full.append()
  await pair.runtime.runUntil(() => pair.room.isStalled, LAG)
  expect(full.leading.end - full.follower.next).toBe(2)
  await pair.runtime.advance(2 * LAG)
  expect([full.isInSync, idle.isInSync]).toEqual([false, true])
})

it('a follower that another epoch finds without room falls behind there, and loses nothing that it has', async () => {
  const { pair, full, sendAll } = await openPair()
  await sendAll(2)
  await pair.untilSame(LAG)
  pair.room.measured(free(MIB))
  await sendAll(1)
  await pair.runtime.runUntil(() => pair.room.isStalled, LAG)
  const { next } = full.follower
  pair.leave(full)
  await pair.runtime.runUntil(full.elect())
  pair.follow(full)
  await pair.runtime.advance(LAG)
  expect(full.follower.next).toBe(next)
  pair.room.measured(free(64 * MIB))
  await pair.untilSame(LAG)
})

/** A leader's snapshot, which covers one entry, and a log that it is to replace. */
async function openInstall() {
  const runtime = virtualRuntime()
  const storage = memoryStorage()
  await storage.commit([{ type: 'append', log: 't/0', entries: [epochEntry(0)] }], { durable: true })
  const { index, payload } = encodeSnapshot(new PartitionState(), new SnapshotBook(), runtime.crc32)
  let reads = 0
  const peer = {
    readSnapshot: async () => ({ index: index + 1, epoch: 0, header: payload, pageIds: [], pages: [] }),
    readBatches: async () => {
      reads++
      return { entries: [] }
    },
  }
  const room = new CopyRoom(() => {})
  const install = (cleared = () => {}) =>
    installSnapshot({ runtime, storage }, 't/0', {
      peer: roomySource(peer, room, runtime.timers),
      request: {
        cluster: 'c',
        from: { broker: 'b', storage: 's', generation: 1 },
        topicId: 't',
        partition: 0,
        epoch: 1,
      },
      signal: new AbortController().signal,
      fits: (bytes) => room.fits(bytes, 0),
      cleared,
    })
  const stored = async () => (await storage.read('t/0', { from: 0, maxBytes: 1_000 })).length
  return { runtime, storage, room, install, stored, reads: () => reads }
}

it('a log stays where there is no room for what would replace it', async () => {
  const { storage, room, install, stored, reads } = await openInstall()
  room.measured(free(MIB))
  await expect(install()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect([room.isStalled, await stored(), reads()]).toEqual([true, 1, 0])
  expect(await distrustedLogs(storage)).toEqual(new Map())
  room.measured(free(64 * MIB))
  await install()
  expect([await stored(), reads()]).toEqual([0, 1])
})

it('a copy is begun where it fits, beside what it replaces, and waits once others have taken the room', async () => {
  const { runtime, room, install, reads } = await openInstall()
  room.measured(free(30 * MIB))
  const fits = [room.fits(14 * MIB, 0), room.fits(15 * MIB, 0), room.fits(15 * MIB, MIB)]
  expect(fits).toEqual([true, false, true])
  const installing = install(() => room.takes(20 * MIB))
  await runtime.advance(10_000)
  expect(reads()).toBe(0)
  room.measured(free(32 * MIB))
  await runtime.runUntil(installing)
  expect(reads()).toBe(1)
})

it('what is free inside the storage is room for copies, but none for the log before a checkpoint', async () => {
  const room = new CopyRoom(() => {})
  room.measured(free(20 * MIB, 100 * MIB))
  expect([room.fits(104 * MIB, 0), room.fits(105 * MIB, 0)]).toEqual([true, false])
  expect([room.takes(90 * MIB), room.takes(13 * MIB), room.takes(2 * MIB)]).toEqual([true, true, false])
  room.measured(free(15 * MIB, 1_000 * MIB))
  expect(room.takes(0)).toBe(false)
})
