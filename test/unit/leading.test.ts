import { expect, it } from 'vitest'
import { Leading, type LeadingHost } from '../../src/broker/replication/leading.js'
import type { ReplicaName } from '../../src/coordination/documents.js'
import type { VersionedPartition } from '../../src/coordination/partition-version.js'
import { PortalError } from '../../src/core/errors.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'

const [a, b, c] = ['a', 'b', 'c'].map((broker): ReplicaName => ({ broker, storage: `${broker}-disk` })) as [
  ReplicaName,
  ReplicaName,
  ReplicaName,
]

/** Leads an empty partition in epoch 4. */
function lead(inSync: readonly ReplicaName[], { sessionHolds = true } = {}) {
  const runtime = virtualRuntime()
  const document: VersionedPartition = {
    topicId: 't',
    partition: 0,
    replicas: [a, b, c],
    inSync,
    leader: a,
    epoch: 4,
    version: 1,
  }
  const never = () => {
    throw new Error('Not asked for here.')
  }
  const host: LeadingHost = {
    runtime,
    storage: memoryStorage({ crc32: runtime.crc32 }),
    self: a,
    lagTime: 60_000,
    isRegistered: () => true,
    isCurrent: () => true,
    isReplaced: () => false,
    damaged: never,
    entryVersion: () => 1,
    sessionHolds: () => sessionHolds,
    changeDocument: never,
    documentChanged: never,
  }
  const led = {
    log: 't/0',
    epoch: 4,
    minInSync: () => 1,
    epochs: [],
    next: () => 0,
    logStart: () => 0,
    progressed: () => {},
  }
  const leading = new Leading(host, led, document, 0)
  /** A follower has sent this: it says of which round it has heard. */
  const fetch = (from: ReplicaName, round: number | undefined) => {
    const position = { topicId: 't', partition: 0, epoch: 4, next: 0, lastEpoch: -1, highWatermark: 0, round }
    return leading.serve({ ...from, generation: 1 }, position, 0, 1_000)
  }
  let outcome: unknown
  const confirm = () => {
    outcome = 'open'
    leading.confirm().then(
      () => {
        outcome = 'certain'
      },
      (error: PortalError) => {
        outcome = error.code
      },
    )
  }
  const after = async (milliseconds: number) => {
    await runtime.advance(milliseconds)
    return outcome
  }
  return { leading, document, fetch, confirm, after }
}

it('a leader is certain that nobody else leads once all in sync have answered what it said since [7]', async () => {
  const { fetch, confirm, after } = lead([a, b, c])
  confirm()
  // Sent before, and under way for long: whoever sent it may lead by now.
  expect(await fetch(b, 0)).toMatchObject({ type: 'entries', entries: [], round: 1 })
  expect(await fetch(c, 0)).toMatchObject({ round: 1 })
  expect(await after(100)).toBe('open')
  expect(await fetch(b, 1)).toBeUndefined()
  expect(await after(100)).toBe('open')
  await fetch(c, 1)
  expect(await after(0)).toBe('certain')
})

it('a later question needs a later answer', async () => {
  const { fetch, confirm, after } = lead([a, b])
  confirm()
  await fetch(b, 1)
  expect(await after(0)).toBe('certain')
  confirm()
  await fetch(b, 1)
  expect(await after(100)).toBe('open')
  await fetch(b, 2)
  expect(await after(0)).toBe('certain')
})

it('one in sync that does not answer may lead: NOT_LEADER after a while, and at once if another does', async () => {
  const { leading, fetch, confirm, after } = lead([a, b, c])
  confirm()
  await fetch(b, 1)
  expect(await after(4_900)).toBe('open')
  expect(await after(200)).toBe('NOT_LEADER')
  confirm()
  leading.close(new PortalError('NOT_LEADER', 'Another leads.'))
  expect(await after(100)).toBe('NOT_LEADER')
})

it('a follower that knows of no rounds counts with whatever it asks next', async () => {
  const { fetch, confirm, after } = lead([a, b])
  confirm()
  await fetch(b, undefined)
  expect(await after(0)).toBe('certain')
})

it.each([
  [true, 'certain'],
  [false, 'open'],
] as const)('alone in sync it depends on its session: %s', async (sessionHolds, outcome) => {
  const { confirm, after } = lead([a], { sessionHolds })
  confirm()
  expect(await after(100)).toBe(outcome)
})

it.each([1, 2])(
  'a replica that was taken away and given back counts for nothing that it had before [8], %i documents later',
  async (later) => {
    const { leading, document, fetch } = lead([a, b, c])
    await fetch(c, 0)
    // What it had is removed when it is no replica any more; the leader need not have seen that document.
    const without = { ...document, replicas: [a, b], inSync: [a, b] }
    if (later === 1) leading.adopt({ ...without, version: 2 })
    leading.adopt({ ...without, target: [a, b, c], version: 3 })
    expect(leading.positions().find(({ broker }) => broker === 'c')?.position).toBe(-1)
  },
)
