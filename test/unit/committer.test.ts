import { expect, it } from 'vitest'
import { type CommitGroup, Committer } from '../../src/broker/committer.js'
import { Barrier } from '../../src/broker/replication/barrier.js'
import { PortalError } from '../../src/core/errors.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'

it('cuts a source once for each commit: what is left goes into the next, after the first was handed over', async () => {
  const runtime = virtualRuntime()
  const commits: number[] = []
  const storage = memoryStorage()
  const counting = {
    ...storage,
    commit: (...[writes, options]: Parameters<typeof storage.commit>) => {
      commits.push(writes.length)
      return storage.commit(writes, options)
    },
  }
  const committer = new Committer(counting, runtime.timers, (error) => {
    throw error
  })
  const handedOver: number[] = []
  let left = 3
  committer.mark({
    cut(group: CommitGroup) {
      handedOver.push(commits.length)
      group.add({ type: 'meta', key: `left ${left}`, value: undefined }, 1)
      return --left > 0
    },
  })
  await runtime.runUntil(() => commits.length === 3)
  expect(commits).toEqual([1, 1, 1])
  expect(handedOver).toEqual([0, 1, 2])
})

it('who waits for a barrier when the storage fails, or after that, is told', async () => {
  const runtime = virtualRuntime()
  // It never answers again.
  const silent = { ...memoryStorage(), commit: () => new Promise<void>(() => {}) }
  const committer = new Committer(silent, runtime.timers, () => {})
  const barrier = new Barrier(committer)
  const passed = () => barrier.passed().catch((error: PortalError) => error.code)
  const posted = passed()
  await runtime.settle()
  const waiting = passed()
  committer.fail(new PortalError('STORAGE_FAILED', 'The disk has not answered.'))
  const later = passed()
  expect(await Promise.all([posted, waiting, later])).toEqual(Array(3).fill('STORAGE_FAILED'))
})
