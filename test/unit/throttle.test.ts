import { expect, it } from 'vitest'
import { throttledSource } from '../../src/broker/replication/snapshot-source.js'
import { Throttle } from '../../src/broker/replication/throttle.js'
import { PortalError } from '../../src/core/errors.js'
import type { BatchesRequest, PeerService } from '../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { entry, sender } from '../../src/transport/conformance/peer-samples.js'

const MIB = 1 << 20
const REQUEST: BatchesRequest = {
  ...sender,
  topicId: 't',
  partition: 0,
  epoch: 1,
  first: 0,
  end: 9,
  maxBytes: MIB,
}

/** A leader that gives as much as it is asked for, at once. */
function leader(runtime: ReturnType<typeof virtualRuntime>) {
  const given: { readonly at: number; readonly bytes: number }[] = []
  const peer = {
    fails: false,
    async readBatches({ maxBytes }: BatchesRequest) {
      if (peer.fails) throw new PortalError('DISCONNECTED', 'The leader is away.')
      given.push({ at: runtime.clock.monotonic(), bytes: maxBytes })
      return { entries: [entry(7, new Uint8Array(maxBytes))] }
    },
  }
  return { peer, given, service: peer as unknown as PeerService }
}

it('holds all who share it, each in its turn', async () => {
  const runtime = virtualRuntime()
  const throttle = new Throttle(runtime.clock, 8 * MIB)
  const { given, service } = leader(runtime)
  const sources = [1, 2, 3].map(() => throttledSource(service, throttle, runtime.timers))
  const counts = [0, 0, 0]
  const work = sources.map(async (source, at) => {
    for (; runtime.clock.monotonic() < 4_000; counts[at]!++) await source.readBatches(REQUEST)
  })
  await runtime.runUntil(Promise.all(work))
  // Half a MiB at once is a sixteenth of a second.
  expect(new Set(given.map(({ bytes }) => bytes))).toEqual(new Set([MIB / 2]))
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
  const within = given.filter(({ at }) => at < 4_000)
  expect(within.length).toBeGreaterThan(60)
  expect(within.length).toBeLessThanOrEqual(65)
})

it('takes nothing for what did not come, and more for an entry that is larger than a share', async () => {
  const runtime = virtualRuntime()
  const throttle = new Throttle(runtime.clock, MIB)
  const { peer, service } = leader(runtime)
  const source = throttledSource(service, throttle, runtime.timers)
  peer.fails = true
  for (let time = 0; time < 20; time++)
    await expect(runtime.runUntil(source.readBatches(REQUEST))).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
  expect(runtime.clock.monotonic()).toBe(0)
  const share = throttle.reserve(MIB)
  throttle.settle(share, [new Uint8Array(2 * MIB)])
  expect(throttle.delay(throttle.reserve(MIB))).toBe(2_000)
})

it('a wait ends with its signal', async () => {
  const runtime = virtualRuntime()
  const throttle = new Throttle(runtime.clock, MIB)
  throttle.settle(throttle.reserve(MIB), [new Uint8Array(100 * MIB)])
  const { peer, service } = leader(runtime)
  peer.fails = true
  const control = new AbortController()
  const read = throttledSource(service, throttle, runtime.timers).readBatches(REQUEST, {
    signal: control.signal,
  })
  control.abort()
  await expect(read).rejects.toMatchObject({ code: 'DISCONNECTED' })
  expect(runtime.clock.monotonic()).toBe(0)
})
