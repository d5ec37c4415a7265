import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { CopyRoom } from '../../src/broker/replication/copy-room.js'
import type { Follower } from '../../src/broker/replication/follower.js'
import { LeaderLine } from '../../src/broker/replication/leader-line.js'
import { Throttle } from '../../src/broker/replication/throttle.js'
import { PortalError } from '../../src/core/errors.js'
import type { PeerService } from '../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'

test('a leader that lives and cannot be reached for long is told of, once each time', async () => {
  const runtime = virtualRuntime()
  const told: string[] = []
  let asked = 0
  let isCut = true
  const peer = {
    fetch: async () => {
      asked++
      if (isCut) throw new PortalError('DISCONNECTED', 'The broker at one cannot be reached: EHOSTUNREACH.')
      return new Promise(() => {})
    },
  } as unknown as PeerService
  const followed = (partition: number) => {
    const position = () => ({ topicId: 't', partition })
    return { topicId: 't', partition, log: `t/${partition}`, epoch: 1, position } as unknown as Follower
  }
  const line = new LeaderLine(
    {
      runtime,
      storage: memoryStorage({ crc32 }),
      lagTime: 10_000,
      room: new CopyRoom(() => {}),
      cluster: () => 'c',
      self: () => ({ broker: 'b', storage: 's', generation: 1 }),
      nextSession: () => 1,
      unreachable: (error) => told.push(error.message),
      stopped: (_, error) => told.push(error.message),
      installing: () => {},
      installed: () => {},
      isDistrusted: () => false,
      trusted: () => {},
    },
    peer,
    new Throttle(runtime.clock, 32 << 20),
  )
  // In a fetch each: both notice.
  line.add(followed(0), true)
  line.add(followed(1), false)
  await runtime.advance(10_000)
  expect(asked).toBeGreaterThan(5)
  expect(told).toEqual([])
  await runtime.advance(60_000)
  expect(told).toEqual(['The broker at one cannot be reached: EHOSTUNREACH.'])
  isCut = false
  await runtime.advance(2_000)
  expect(told).toHaveLength(1)
  void line.stop()
})
