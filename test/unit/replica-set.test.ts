import { crc32 } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { Committer } from '../../src/broker/committer.js'
import type { PartitionHost } from '../../src/broker/host.js'
import { ReplicaSet, type ReplicaSetHost } from '../../src/broker/replication/replica-set.js'
import type { Topic } from '../../src/broker/topic.js'
import type { MemberDocument, ReplicaName } from '../../src/coordination/documents.js'
import type { VersionedPartition } from '../../src/coordination/partition-version.js'
import { ENTRY_VERSION, type StoredEntry } from '../../src/core/entry.js'
import { encodeBody } from '../../src/core/entry-codec.js'
import { abortedError, PortalError } from '../../src/core/errors.js'
import type { FetchPosition, PeerService } from '../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'

const NAME = { topicId: 't', partition: 0 }
const [leader, self] = ['a', 'b'].map((broker): ReplicaName => ({ broker, storage: 's' })) as [
  ReplicaName,
  ReplicaName,
]
const topic = { name: 'orders' } as Topic

/** Of this version, which names these besides the leader. */
function documentOf(version: number, ...others: readonly ReplicaName[]): VersionedPartition {
  return { ...NAME, epoch: 1, leader, replicas: [leader, ...others], inSync: [leader], version }
}

function memberOf(replica: ReplicaName): MemberDocument {
  const versions = { peer: 1, entry: 1 }
  return { ...replica, generation: 1, url: `http://${replica.broker}`, versions, startedAt: 0 }
}

/** A broker that follows one that leads an entry, and answers what `told` says of documents. */
async function openBroker() {
  const runtime = virtualRuntime()
  const storage = memoryStorage({ crc32 })
  const fail = (error: unknown) => {
    throw error
  }
  const committer = new Committer(storage, runtime.timers, fail)
  const entry: StoredEntry = {
    index: 0,
    epoch: 1,
    kind: 'epoch',
    version: ENTRY_VERSION,
    baseOffset: 0,
    count: 0,
    appendTime: 1,
    safeTime: 1,
    payload: encodeBody({ kind: 'epoch', leader: 'a' }, crc32),
  }
  const state = { told: 0, position: undefined as FetchPosition | undefined }
  const answer = (position: FetchPosition, documentVersion: number) => {
    const entries = position.next === 0 ? [entry] : []
    return { ...NAME, type: 'entries', entries, highWatermark: 0, round: 0, documentVersion } as const
  }
  const fetch: PeerService['fetch'] = async ({ partitions, session }, call) => {
    state.position = partitions[0] ?? state.position
    const { next, documentVersion = 0 } = state.position!
    if (next === 0 || documentVersion < state.told)
      return { results: [answer(state.position!, state.told)], session: session!.id }
    return new Promise((resolve, reject) => {
      runtime.timers.setTimeout(() => resolve({ results: [], session: session!.id }), 100)
      const { signal } = call ?? {}
      signal?.addEventListener('abort', () => reject(abortedError('The fetch', signal)), { once: true })
    })
  }
  const host = {
    runtime,
    storage,
    self,
    lagTime: 10_000,
    partitions: { runtime, storage, committer, emit: () => {} } as unknown as PartitionHost,
    members: () => new Map([leader, self].map((replica) => [replica.broker, memberOf(replica)])),
    incarnation: () => ({ ...self, generation: 1 }),
    cluster: () => 'c',
    connectPeer: () => ({ fetch }) as unknown as PeerService,
  } as unknown as ReplicaSetHost
  const replicas = await ReplicaSet.open(host)
  onTestFinished(() => runtime.runUntil(replicas.stop(new PortalError('CLOSED', 'The test is over.'))))
  const stored = async () => (await storage.read('t/0', { from: 0, maxBytes: 1_000 })).length
  return { runtime, replicas, state, stored }
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
