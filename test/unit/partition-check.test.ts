import { expect, it } from 'vitest'
import { partitionCheck } from '../../src/broker/cluster/partition-check.js'
import type { Hosting } from '../../src/broker/hosting.js'
import { PortalError } from '../../src/core/errors.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'

type Written = { readonly id: string; readonly partitions: number } | undefined

/** A broker that was told of three partitions of topic `t`. */
function setup(readTopic: () => Promise<Written>) {
  const runtime = virtualRuntime()
  let reads = 0
  const told = (id: string) => (id === 't' ? { name: 'orders', document: { partitions: 3 } } : undefined)
  const check = partitionCheck({
    hosting: { topicById: told } as unknown as Hosting,
    timers: runtime.timers,
    readTopic: () => {
      reads++
      return readTopic()
    },
  })
  const verdict = (partition: number, topicId = 't') =>
    runtime.runUntil(
      check(topicId, partition).then(
        () => 'may be there',
        ({ code, message }: PortalError) => `${code}: ${message}`,
      ),
    )
  return { runtime, verdict, reads: () => reads }
}

it('what no topic can have, and what this broker was told of, needs no look', async () => {
  const { verdict, reads } = setup(() => Promise.reject(new Error('Nobody asks.')))
  for (const partition of [-1, 0.5])
    expect(await verdict(partition)).toBe(
      `INVALID_ARGUMENT: Topic orders has partitions 0 to 2, not ${partition}.`,
    )
  expect([await verdict(2), await verdict(7, 'unknown')]).toEqual(['may be there', 'may be there'])
  expect(reads()).toBe(0)
})

it('what may have been added meanwhile is looked up', async () => {
  const { verdict } = setup(async () => ({ id: 't', partitions: 5 }))
  expect(await verdict(4)).toBe('may be there')
  expect(await verdict(5)).toBe('INVALID_ARGUMENT: Topic orders has partitions 0 to 4, not 5.')
})

it.each<[string, () => Promise<Written>]>([
  ['the topic is gone', async () => undefined],
  ['another one has its name', async () => ({ id: 'u', partitions: 1 })],
  ['nobody can say', () => Promise.reject(new PortalError('DISCONNECTED', 'It is away.'))],
  ['nobody answers', () => new Promise(() => {})],
])('nothing is refused when %s', async (_, readTopic) => {
  const { runtime, verdict } = setup(readTopic)
  expect(await verdict(3)).toBe('may be there')
  expect(runtime.clock.monotonic()).toBeLessThan(1_100)
})
