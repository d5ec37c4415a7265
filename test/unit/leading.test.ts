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

interface Options {
  readonly sessionHolds?: boolean
  /** The index that the next entry gets. */
  readonly next?: number
  readonly changeDocument?: LeadingHost['changeDocument']
  readonly minInSync?: number
  /** Brokers that say that they have no room. */
  readonly stalled?: ReadonlySet<string>
}

/** Leads a partition in epoch 4, which begins with its first entry. */
function lead(
  inSync: readonly ReplicaName[],
  { sessionHolds = true, next: end = 0, changeDocument, minInSync = 1, stalled = new Set() }: Options = {},
) {
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
    isStalled: ({ broker }) => stalled.has(broker),
    damaged: never,
    entryVersion: () => 1,
    sessionHolds: () => sessionHolds,
    changeDocument: changeDocument ?? never,
    documentChanged: () => {},
  }
  let next = 0
  const led = {
    log: 't/0',
    epoch: 4,
    minInSync: () => minInSync,
    epochs: end > 0 ? [4, 0] : [],
    next: () => next,
    logStart: () => 0,
    progressed: () => {},
  }
  const leading = new Leading(host, led, document, 0)
  next = end
  leading.durable(end)
  /** A follower has sent this: it says of which round it has heard. */
  const fetch = (from: ReplicaName, round: number | undefined) => {
    const position = { topicId: 't', partition: 0, epoch: 4, next: 0, lastEpoch: -1, highWatermark: 0, round }
    return leading.serve({ ...from, generation: 1 }, position, 0, 1_000)
  }
  /** A follower that has everything has sent this, and knew of that document. */
  const fetchAll = (from: ReplicaName, documentVersion: number | undefined) => {
    const position = {
      topicId: 't',
      partition: 0,
      epoch: 4,
      next,
      lastEpoch: 4,
      highWatermark: next,
      round: 0,
    }
    return leading.serve({ ...from, generation: 1 }, { ...position, documentVersion }, 0, 1_000)
  }
  const positionOf = (replica: ReplicaName) =>
    leading.positions().find(({ broker }) => broker === replica.broker)?.position
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
  return { leading, document, fetch, fetchAll, positionOf, confirm, after }
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
    const { leading, document, fetch, positionOf } = lead([a, b, c])
    await fetch(c, 0)
    // What it had is removed when it is no replica any more; the leader need not have seen that document.
    const without = { ...document, replicas: [a, b], inSync: [a, b] }
    if (later === 1) leading.adopt({ ...without, version: 2 })
    leading.adopt({ ...without, target: [a, b, c], version: 3 })
    expect(positionOf(c)).toBe(-1)
  },
)

/** The document as others have changed it, and how it is changed here. */
function documents() {
  let current: VersionedPartition | undefined
  const isUnknown = { once: false }
  const changeDocument: LeadingHost['changeDocument'] = async (known, change) => {
    current ??= known
    if (isUnknown.once) {
      isUnknown.once = false
      throw new PortalError('DISCONNECTED', 'Nobody knows whether it was written.')
    }
    // As it is tried: first with what is known, then with what is read.
    const tried = change(known, known.version)
    if (tried === undefined) return current
    const changed = current.version === known.version ? tried : change(current, current.version)
    if (changed) current = { ...changed, version: current.version + 1 }
    return current
  }
  return {
    changeDocument,
    isUnknown,
    get inSync() {
      return current?.inSync.map(({ broker }) => broker)
    },
    set current(document: VersionedPartition) {
      current = document
    },
  }
}

/** `c` is taken away, and given back: what it had is gone. */
function awayAndBack(document: VersionedPartition): [VersionedPartition, VersionedPartition] {
  const without = { ...document, replicas: [a, b], inSync: [a, b] }
  return [
    { ...without, version: document.version + 1 },
    { ...without, target: [a, b, c], version: document.version + 2 },
  ]
}

it('a fetch that was sent before its replica was taken away counts for nothing once it was given back [8]', async () => {
  const store = documents()
  const { leading, document, fetchAll, positionOf, after } = lead([a, b, c], {
    next: 1,
    changeDocument: store.changeDocument,
  })
  await fetchAll(b, 1)
  await fetchAll(c, 1)
  const [without, back] = awayAndBack(document)
  leading.adopt(without)
  leading.adopt(back)
  store.current = back
  // It was under way for long.
  expect(await fetchAll(c, 1)).toMatchObject({ type: 'entries', entries: [], documentVersion: 3 })
  await after(100)
  expect(positionOf(c)).toBe(-1)
  expect(leading.document.inSync).toEqual([a, b])
  // It knows that it is a replica again: what it has now is of this time.
  await fetchAll(c, 3)
  await after(100)
  expect(positionOf(c)).toBe(1)
  expect(leading.document.inSync).toEqual([a, b, c])
})

it('a leader that begins knows nothing of documents before: who is no replica by its own, or was another, does not count', async () => {
  const { leading, document, fetchAll, positionOf } = lead([a, b], {
    next: 1,
    changeDocument: documents().changeDocument,
  })
  await fetchAll(c, document.version - 1)
  expect(positionOf(c)).toBe(-1)
  await fetchAll(c, document.version)
  expect(positionOf(c)).toBe(1)
  leading.close(new PortalError('CLOSED', 'The test is over.'))
})

it('one that was to join, and was taken away and given back before the leader knew, does not join with what it had [8]', async () => {
  const store = documents()
  const { leading, document, fetchAll, positionOf, after } = lead([a, b], {
    next: 1,
    changeDocument: store.changeDocument,
  })
  const [, back] = awayAndBack(document)
  store.current = back
  await fetchAll(b, 1)
  await fetchAll(c, 1)
  await after(100)
  expect(store.inSync).toEqual(['a', 'b'])
  expect(leading.document.version).toBe(3)
  expect(positionOf(c)).toBe(-1)
})

it('nor with an attempt of which nobody knew the outcome for a while [8]', async () => {
  const store = documents()
  const { leading, document, fetchAll, after } = lead([a, b], {
    next: 1,
    changeDocument: store.changeDocument,
  })
  store.isUnknown.once = true
  await fetchAll(b, 1)
  await fetchAll(c, 1)
  await after(100)
  const [without, back] = awayAndBack(document)
  store.current = back
  leading.adopt(without)
  leading.adopt(back)
  await after(2_000)
  expect(store.inSync).toEqual(['a', 'b'])
  await fetchAll(c, 3)
  await after(100)
  expect(store.inSync).toEqual(['a', 'b', 'c'])
})

it('who says that it has no room and is behind is waited for half as long, and who has everything stays', async () => {
  const stalled = new Set(['b', 'c'])
  const written = documents()
  const { fetch, fetchAll, after } = lead([a, b, c], { next: 1, stalled, ...written })
  for (let seconds = 0; seconds < 28; seconds += 2) {
    await fetchAll(b, 1)
    await fetch(c, 0)
    await after(2_000)
  }
  expect(written.inSync ?? ['a', 'b', 'c']).toEqual(['a', 'b', 'c'])
  for (let seconds = 0; seconds < 6; seconds += 2) {
    await fetchAll(b, 1)
    await fetch(c, 0)
    await after(2_000)
  }
  expect(written.inSync).toEqual(['a', 'b'])
})

it('nothing is taken while one in sync that is needed is behind and has no room, though it asks', async () => {
  const stalled = new Set(['c'])
  const written = documents()
  const { leading, fetch, fetchAll, after } = lead([a, c], { next: 1, minInSync: 2, stalled, ...written })
  for (let seconds = 0; seconds < 40; seconds += 2) {
    await fetch(c, 0)
    await after(2_000)
  }
  expect(leading.refusal()).toMatchObject({ code: 'NOT_ENOUGH_REPLICAS' })
  expect(leading.committedIndex).toBe(0)
  expect(leading.document.inSync).toEqual([a, c])
  stalled.clear()
  await fetchAll(c, 1)
  expect(leading.refusal()).toBeUndefined()
  expect(leading.committedIndex).toBe(1)
})
