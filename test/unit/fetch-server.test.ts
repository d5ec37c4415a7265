import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { FetchServer } from '../../src/broker/replication/fetch-server.js'
import type { ServedPartition } from '../../src/broker/replication/leader-session.js'
import type { StoredEntry } from '../../src/core/entry.js'
import type { FetchPosition } from '../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { epochEntry } from './fetch-support/epoch-entry.js'

const NAME = { topicId: 't', partition: 0 }

/** A leader of one partition that has `entries` and has committed up to `highWatermark`. */
function led(state: { entries: StoredEntry[]; highWatermark: number }) {
  const runtime = virtualRuntime()
  let wake = () => {}
  const leading = {
    async serve(_from: unknown, { next, highWatermark }: FetchPosition) {
      const entries = state.entries.filter(({ index }) => index >= next)
      const isNews = entries.length > 0 || highWatermark < state.highWatermark
      return isNews ? { type: 'entries', entries, highWatermark: state.highWatermark } : undefined
    },
    onceAppended(callback: () => void) {
      wake = callback
      return () => {}
    },
  }
  const served = { log: 't/0', epoch: 1, leading } as unknown as ServedPartition
  const server = new FetchServer({
    runtime,
    storage: memoryStorage({ crc32 }),
    lagTime: 10_000,
    find: () => served,
    damaged: (_, error) => error,
  })
  const fetch = () =>
    server.fetch({
      cluster: 'c',
      from: { broker: 'b', storage: 's', generation: 1 },
      wait: 500,
      maxBytes: 1 << 20,
      now: 0,
      partitions: [{ ...NAME, epoch: 1, next: 1, lastEpoch: 1, highWatermark: 0, round: 0 }],
    })
  return { runtime, fetch, append: () => wake() }
}

it('that more is committed is told soon, but not at once', async () => {
  const { runtime, fetch } = led({ entries: [], highWatermark: 1 })
  const { results } = await runtime.runUntil(fetch())
  expect(results).toMatchObject([{ type: 'entries', entries: [], highWatermark: 1 }])
  expect(runtime.clock.monotonic()).toBe(50)
})

it('entries that come meanwhile take it along', async () => {
  const state = { entries: [] as StoredEntry[], highWatermark: 1 }
  const { runtime, fetch, append } = led(state)
  runtime.timers.setTimeout(() => {
    state.entries.push(epochEntry(1))
    append()
  }, 10)
  const { results } = await runtime.runUntil(fetch())
  expect(results).toMatchObject([{ entries: [{ index: 1 }], highWatermark: 1 }])
  expect(runtime.clock.monotonic()).toBe(10)
})

it('nothing to tell is told once the wait is over', async () => {
  const { runtime, fetch } = led({ entries: [], highWatermark: 0 })
  expect((await runtime.runUntil(fetch())).results).toEqual([])
  expect(runtime.clock.monotonic()).toBe(500)
})
