import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { Committer } from '../../src/broker/committer.js'
import { Follower } from '../../src/broker/replication/follower.js'
import { PortalError } from '../../src/core/errors.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { epochEntry } from './fetch-support/epoch-entry.js'

const NAME = { topicId: 't', partition: 0, log: 't/0' }

async function openFollower() {
  const runtime = systemRuntime({ crc32 })
  const storage = memoryStorage({ crc32 })
  const committer = new Committer(storage, runtime.timers, () => {})
  const follower = await Follower.open({ runtime, storage, committer }, NAME)
  follower.follow({ broker: 'a', storage: 's' }, 1)
  const stored = async () => {
    const entries = await storage.read(NAME.log, { from: 0, maxBytes: 1 << 20 })
    return entries.map(({ index }) => index)
  }
  return { follower, stored }
}

const entries = (...indexes: number[]) =>
  ({
    ...NAME,
    type: 'entries',
    entries: indexes.map((index) => epochEntry(index)),
    highWatermark: 0,
    round: 3,
    documentVersion: 2,
  }) as const

it('of two answers to the same position a follower takes the first, though the other comes while that is being written', async () => {
  const { follower, stored } = await openFollower()
  const asked = follower.position()
  const first = follower.take(asked, entries(0, 1))
  const second = follower.take(asked, entries(0))
  expect(follower.isBusy).toBe(true)
  await Promise.all([first, second])
  expect(follower.isBusy).toBe(false)
  expect(await stored()).toEqual([0, 1])
  expect(follower.next).toBe(2)
})

it('a follower does not truncate what it stored since it asked [6]', async () => {
  const { follower, stored } = await openFollower()
  await follower.take(follower.position(), entries(0))
  const asked = follower.position()
  await follower.take(asked, entries(1))
  await follower.take(asked, { ...NAME, type: 'diverged', epoch: -1, end: 0 })
  expect(await stored()).toEqual([0, 1])
})

it('a follower whose installation fails after its log was deleted says that it has nothing', async () => {
  const { follower } = await openFollower()
  await follower.take(follower.position(), entries(0, 1))
  const fails = (afterwards: boolean) =>
    follower.reinstall(async ({ cleared }) => {
      if (afterwards) cleared()
      throw new PortalError('DISCONNECTED', 'The leader is gone.')
    })
  await expect(fails(false)).rejects.toMatchObject({ code: 'DISCONNECTED' })
  expect(follower.position()).toMatchObject({ next: 2, lastEpoch: 1 })
  await expect(fails(true)).rejects.toMatchObject({ code: 'DISCONNECTED' })
  expect(follower.position()).toMatchObject({
    next: 0,
    lastEpoch: -1,
    highWatermark: 0,
    round: 3,
    documentVersion: 2,
  })
})
