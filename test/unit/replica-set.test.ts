import { crc32 } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hosting } from '../../src/broker/hosting.js'
import { distrustLog, markLog } from '../../src/broker/replication/install.js'
import { ReplicaSet, type ReplicaSetHost } from '../../src/broker/replication/replica-set.js'
import { Topic } from '../../src/broker/topic.js'
import { resolveTopicConfig } from '../../src/broker/topic-config.js'
import type { MemberDocument, ReplicaName } from '../../src/coordination/documents.js'
import type { VersionedPartition } from '../../src/coordination/partition-version.js'
import type { StoredEntry } from '../../src/core/entry.js'
import { abortedError, PortalError } from '../../src/core/errors.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { encodeSnapshot, SnapshotBook } from '../../src/core/snapshot.js'
import type {
  FetchPosition,
  FetchResult,
  PeerService,
  SnapshotSlice,
} from '../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import type { Write } from '../../src/storage/storage.js'
import { epochEntry } from './fetch-support/epoch-entry.js'
import { partitionHost } from './partition-support.js'

const NAME = { topicId: 't', partition: 0 }
const [leader, self] = ['a', 'b'].map((broker): ReplicaName => ({ broker, storage: 's' })) as [
  ReplicaName,
  ReplicaName,
]
const { partitions: count, ...config } = resolveTopicConfig({}, { defaults: { replicas: 2 }, maxReplicas: 2 })
const topic = new Topic({ id: 't', name: 'orders', createdAt: 0, config, partitions: count })

/** Of this version, which names these besides the leader. */
function documentOf(version: number, ...others: readonly ReplicaName[]): VersionedPartition {
  return { ...NAME, epoch: 1, leader, replicas: [leader, ...others], inSync: [leader], version }
}

function memberOf(replica: ReplicaName): MemberDocument {
  const versions = { peer: 1, entry: 1 }
  return { ...replica, generation: 1, url: `http://${replica.broker}`, versions, startedAt: 0 }
}

/** Of one entry, which begins epoch 1. */
async function readSnapshot(): Promise<SnapshotSlice> {
  const state = new PartitionState()
  state.apply(epochEntry(0), { kind: 'epoch', leader: 'a' })
  const { index, epoch, payload, pages, newPages } = encodeSnapshot(state, new SnapshotBook(), crc32)
  return { index, epoch, header: payload, pageIds: pages, pages: newPages.map((page) => page.payload) }
}

/** A broker, and another that leads an entry if it is to, and says what `told` says of documents. `before`: what is stored as the broker starts. */
async function openBroker(before: readonly Write[] = []) {
  const runtime = virtualRuntime()
  const partitions = partitionHost(runtime)
  const { storage } = partitions
  await storage.commit(before, { durable: true })
  const state = {
    told: 0,
    /** What a reader of the coordination store gets; undefined: it cannot be reached. */
    inForce: undefined as VersionedPartition | undefined,
    /** What the leader answers instead, if so. */
    leader: undefined as ((position: FetchPosition) => FetchResult | undefined) | undefined,
    position: undefined as FetchPosition | undefined,
    changed: undefined as VersionedPartition | undefined,
  }
  const answer = (position: FetchPosition, documentVersion: number) => {
    const entries = position.next === 0 ? [epochEntry(0)] : []
    return { ...NAME, type: 'entries', entries, highWatermark: 0, round: 0, documentVersion } as const
  }
  const fetch: PeerService['fetch'] = async ({ partitions, session }, call) => {
    state.position = partitions[0] ?? state.position
    const { next, documentVersion = 0 } = state.position!
    const told = state.leader?.(state.position!)
    if (told) return { results: [told], session: session!.id }
    if (!state.leader && (next === 0 || documentVersion < state.told))
      return { results: [answer(state.position!, state.told)], session: session!.id }
    return new Promise((resolve, reject) => {
      runtime.timers.setTimeout(() => resolve({ results: [], session: session!.id }), 100)
      const { signal } = call ?? {}
      signal?.addEventListener('abort', () => reject(abortedError('The fetch', signal)), { once: true })
    })
  }
  const errors: PortalError[] = []
  partitions.emit = (event, detail) => {
    if (event === 'error') errors.push(detail as PortalError)
  }
  const host: Partial<ReplicaSetHost> = {
    runtime,
    storage,
    self,
    lagTime: 10_000,
    partitions,
    hosting: { lead: async () => {} } as unknown as Hosting,
    members: () => new Map([leader, self].map((replica) => [replica.broker, memberOf(replica)])),
    incarnation: () => ({ ...self, generation: 1 }),
    cluster: () => 'c',
    connectPeer: () =>
      ({ fetch, readSnapshot, readBatches: async () => ({ entries: [] }) }) as unknown as PeerService,
    throttledRate: 1 << 20,
    readGroups: async () => [],
    readDocument: async () => {
      if (state.inForce) return state.inForce
      throw new PortalError('DISCONNECTED', 'The coordination service cannot be reached.')
    },
    leads: () => {},
    changeDocument: async (known, change) => {
      const changed = change(known, known.version)
      if (changed) state.changed = { ...changed, version: known.version + 1 }
      return state.changed
    },
    documentChanged: (document) => replicas.assign(topic, document),
  }
  const replicas = await ReplicaSet.open(host as ReplicaSetHost)
  onTestFinished(() => runtime.runUntil(replicas.stop(new PortalError('CLOSED', 'The test is over.'))))
  const stored = async () => (await storage.read('t/0', { from: 0, maxBytes: 1_000 })).length
  return { runtime, replicas, state, stored, errors }
}

it('a replica that its leader has told of a later document is not taken away by an earlier one that comes late [8]', async () => {
  const { runtime, replicas, state, stored } = await openBroker()
  replicas.assign(topic, documentOf(1, self))
  await runtime.runUntil(() => state.position?.next === 1, 5_000)
  expect(state.position).toMatchObject({ documentVersion: 1 })
  // It was taken away and given back, and has not heard of either. Once it says that it knows, the leader counts on what it has.
  state.told = 3
  await runtime.runUntil(() => state.position?.documentVersion === 3, 5_000)
  replicas.assign(topic, documentOf(2))
  await runtime.advance(1_000)
  expect(await stored()).toBe(1)
  expect(replicas.find('t', 0)).toBeDefined()
  replicas.assign(topic, documentOf(4))
  await runtime.advance(1_000)
  expect(await stored()).toBe(0)
  expect(replicas.find('t', 0)).toBeUndefined()
})

it('of what comes for a replica while it is removed the last counts', async () => {
  const { runtime, replicas, state, stored } = await openBroker()
  replicas.assign(topic, documentOf(1, self))
  await runtime.runUntil(() => state.position?.next === 1, 5_000)
  replicas.assign(topic, documentOf(2))
  replicas.assign(topic, documentOf(3, self))
  replicas.assign(topic, documentOf(4))
  await runtime.advance(1_000)
  expect(await stored()).toBe(0)
  expect(replicas.find('t', 0)).toBeUndefined()
  replicas.assign(topic, documentOf(5, self))
  replicas.assign(topic, documentOf(6))
  replicas.assign(topic, documentOf(7, self))
  await runtime.runUntil(() => state.position?.documentVersion === 7 && state.position.next === 1, 5_000)
  expect(await stored()).toBe(1)
})

it('what comes for a replica while it is removed counts no more once its topic is deleted [11]', async () => {
  const { runtime, replicas, state, stored } = await openBroker()
  replicas.assign(topic, documentOf(1, self))
  await runtime.runUntil(() => state.position?.next === 1, 5_000)
  replicas.assign(topic, documentOf(2))
  replicas.assign(topic, { ...documentOf(3, self), leader: self, epoch: 2 })
  await runtime.runUntil(replicas.removeTopic('t', new PortalError('TOPIC_NOT_FOUND', 'It was deleted.')))
  await runtime.advance(1_000)
  expect(replicas.find('t', 0)).toBeUndefined()
  expect(await stored()).toBe(0)
})

it('a leader that cannot read what nobody else has gives way to one that has all that is committed', async () => {
  const { runtime, replicas, state } = await openBroker()
  replicas.assign(topic, { ...documentOf(1, self), leader: self, inSync: [leader, self] })
  await runtime.runUntil(() => replicas.find('t', 0)?.led !== undefined, 1_000)
  // It is in sync, and will not be heard: what it lacks cannot be read.
  replicas.damaged('t/0', new PortalError('CORRUPT', 'The first entry cannot be read.'))
  await runtime.runUntil(() => state.changed !== undefined, 60_000)
  expect(state.changed).toMatchObject({ leader, epoch: 2, inSync: [leader, self] })
  // As any that begins anew it asks for all.
  await runtime.runUntil(() => state.position?.epoch === 2, 5_000)
  expect(state.position?.next).toBe(0)
})

it('what is missing of a log that was removed while it was read is no damage', async () => {
  const { replicas } = await openBroker()
  const missing = new PortalError('CORRUPT', 'Entry 0 of t/0 is missing from the storage.')
  expect(replicas.damaged('t/0', missing)).toMatchObject({ code: 'NOT_LEADER' })
})

describe('a broker that was away', () => {
  const STORED: Write[] = [{ type: 'append', log: 't/0', entries: [epochEntry(0)] }]

  it('removes what was moved elsewhere meanwhile', async () => {
    const { runtime, replicas, state, stored } = await openBroker(STORED)
    replicas.assign(topic, documentOf(2))
    await runtime.advance(5_000)
    // Whether it is so cannot be asked.
    expect(await stored()).toBe(1)
    state.inForce = documentOf(3)
    await runtime.advance(5_000)
    expect(await stored()).toBe(0)
  })

  it('keeps what an old document alone says is elsewhere: it may be counted on', async () => {
    const { runtime, replicas, state, stored } = await openBroker(STORED)
    state.inForce = documentOf(3, self)
    replicas.assign(topic, documentOf(2))
    await runtime.advance(5_000)
    expect(await stored()).toBe(1)
    replicas.assign(topic, documentOf(3, self))
    await runtime.runUntil(() => state.position?.next === 1, 5_000)
  })

  it('begins anew with what is given back while it is removed', async () => {
    const { runtime, replicas, state, stored } = await openBroker(STORED)
    state.inForce = documentOf(2)
    replicas.assign(topic, documentOf(2))
    replicas.assign(topic, documentOf(3, self))
    await runtime.runUntil(() => state.position !== undefined, 5_000)
    expect(state.position).toMatchObject({ next: 0, documentVersion: 3 })
    await runtime.runUntil(() => state.position?.next === 1, 5_000)
    expect(await stored()).toBe(1)
  })
})

it.each([
  ['a snapshot', 2, 1, false],
  // A leader that shows nothing yet.
  ['a snapshot', 0, 2, false],
  ['a snapshot', 1, 1, true],
  ['the first entry', 2, 1, false],
  ['the first entry', 0, 2, false],
  // What was committed before this leader comes before its own first entry.
  ['the first entry', 0, 1, true],
  ['the first entry', 1, 1, true],
])(
  'a replica in sync that was damaged and has got %s leads only if it has all that is committed: below %i, said in epoch %i [9]',
  async (has, highWatermark, epoch, leads) => {
    const { runtime, replicas, state } = await openBroker([distrustLog('t/0')])
    const said = (entries: readonly StoredEntry[]): FetchResult => {
      return { ...NAME, type: 'entries', entries, highWatermark, round: 0, documentVersion: 1 }
    }
    state.leader = ({ next, highWatermark: known }) => {
      if (next === 0) return has === 'a snapshot' ? { ...NAME, type: 'behind' } : said([epochEntry(0)])
      return known < highWatermark ? said([]) : undefined
    }
    const document = { ...documentOf(1, self), epoch, inSync: [leader, self] }
    replicas.assign(topic, document)
    await runtime.runUntil(() => state.position?.next === 1, 5_000)
    await runtime.advance(500)
    replicas.assign(topic, { ...document, leader: self, epoch: epoch + 1, version: 2 })
    await runtime.advance(1_000)
    expect(replicas.find('t', 0)?.led !== undefined).toBe(leads)
    if (!leads) expect(state.changed).toMatchObject({ leader: null, inSync: [leader] })
  },
)

it('a replica that lacks what is committed, and alone is in sync, says so once and keeps what it has [9]', async () => {
  const { runtime, replicas, state, stored, errors } = await openBroker([
    { type: 'append', log: 't/0', entries: [epochEntry(0)] },
    markLog('t/0', 'behind'),
  ])
  const document = documentOf(1, self)
  replicas.assign(topic, { ...document, leader: self, inSync: [self] })
  await runtime.advance(5_000)
  expect(replicas.find('t', 0)?.led).toBeUndefined()
  expect(errors.map(({ code }) => code)).toEqual(['NOT_ENOUGH_REPLICAS'])
  // One that has all is back.
  replicas.assign(topic, { ...document, epoch: 2, version: 2 })
  await runtime.runUntil(() => state.position !== undefined, 5_000)
  expect(state.position?.next).toBe(1)
  expect(await stored()).toBe(1)
})
