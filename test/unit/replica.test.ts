import { expect, it } from 'vitest'
import type { PartitionHost } from '../../src/broker/host.js'
import { Barrier } from '../../src/broker/replication/barrier.js'
import { Replica, type ReplicaHost } from '../../src/broker/replication/replica.js'
import { Topic } from '../../src/broker/topic.js'
import { resolveTopicConfig } from '../../src/broker/topic-config.js'
import type { ReplicaName } from '../../src/coordination/documents.js'
import type { VersionedPartition } from '../../src/coordination/partition-version.js'
import { PortalError } from '../../src/core/errors.js'
import type { FetchResult } from '../../src/protocol/peer-service.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { epochEntry } from './fetch-support/epoch-entry.js'
import { partitionHost } from './partition-support.js'

const a: ReplicaName = { broker: 'a', storage: 'a-disk' }
const b: ReplicaName = { broker: 'b', storage: 'b-disk' }

/** What a replica of `a` needs; of it the test looks at the documents that are written, and at what is not trusted. */
function replicaHost(runtime: Runtime, partitions: PartitionHost) {
  const documents: VersionedPartition[] = []
  const distrusted = new Set<string>()
  const host = {
    runtime,
    partitions,
    storage: partitions.storage,
    barrier: new Barrier(partitions.committer),
    hosting: { lead: async () => {} },
    self: a,
    incarnation: () => ({ ...a, generation: 1 }),
    generationOf: () => 1,
    lagTime: 60_000,
    isRegistered: () => true,
    isCurrent: () => true,
    isReplaced: () => false,
    isStalled: () => false,
    entryVersion: () => 1,
    sessionHolds: () => true,
    readGroups: async () => [],
    startFollowing: () => {},
    stopFollowing: () => {},
    followerChanged: () => {},
    leads: () => {},
    damaged: (_: string, error: PortalError) => error,
    distrustOf: (log: string) => (distrusted.has(log) ? 'broken' : undefined),
    distrust: (log: string) => void distrusted.add(log),
    changeDocument: async (
      known: VersionedPartition,
      change: (document: VersionedPartition) => object | undefined,
    ) => {
      const current = documents.at(-1) ?? known
      const changed = change(current)
      if (changed) documents.push({ ...current, ...changed, version: current.version + 1 })
      return documents.at(-1)
    },
    documentChanged: (_: VersionedPartition) => {},
  }
  return { host, documents, distrusted }
}

/** A replica's broker, and a partition that it leads by this document. */
function open(runtime: Runtime) {
  const { partitions: count, ...config } = resolveTopicConfig(
    {},
    { defaults: { replicas: 2 }, maxReplicas: 2 },
  )
  const topic = new Topic({ id: 't', name: 't', createdAt: 0, config, partitions: count })
  const both = [a, b]
  const document: VersionedPartition = {
    topicId: 't',
    partition: 0,
    replicas: both,
    inSync: both,
    leader: a,
    epoch: 4,
    version: 1,
  }
  return { ...replicaHost(runtime, partitionHost(runtime)), topic, document }
}

it('a replica that has handed over what it cannot read leads no more of it, though it is given back at once [9]', async () => {
  const runtime = virtualRuntime()
  const { host, documents, distrusted, topic, document } = open(runtime)
  const replica = new Replica(host as unknown as ReplicaHost, topic, 't/0', document)
  // Its successor hands over as soon as it leads.
  host.documentChanged = (changed) => {
    if (changed.leader?.broker !== 'b') return
    documents.push({
      ...changed,
      leader: a,
      incarnation: 1,
      epoch: changed.epoch + 1,
      version: changed.version + 1,
    })
    replica.assign(documents.at(-1)!)
  }
  replica.assign(document)
  await runtime.advance(100)
  const { leading } = replica.led!
  const position = {
    topicId: 't',
    partition: 0,
    epoch: 4,
    next: leading.end,
    lastEpoch: -1,
    highWatermark: 0,
  }
  const caughtUp = { ...position, round: 0, version: 1 }
  await leading.serve({ ...b, generation: 1 }, caughtUp, 0, 1_000)

  expect(replica.damaged(new PortalError('CORRUPT', 'Bytes have rotted.')).code).toBe('NOT_LEADER')
  await runtime.advance(10_000)
  expect(distrusted.has('t/0')).toBe(true)
  expect(replica.led).toBeUndefined()
  // Whoever has it all is to lead.
  expect(documents.at(-1)).toMatchObject({ leader: null, inSync: [b] })
})

it('what cannot be trusted is kept until the first of a copy has come: it may be the last there is', async () => {
  const runtime = virtualRuntime()
  const { host, distrusted, topic, document } = open(runtime)
  const stored = async () => (await host.storage.read('t/0', { from: 0, maxBytes: 1_000 })).length
  const entries = [epochEntry(0), epochEntry(1)]
  await host.storage.commit([{ type: 'append', log: 't/0', entries }], { durable: true })
  distrusted.add('t/0')
  const replica = new Replica(host as unknown as ReplicaHost, topic, 't/0', document)
  replica.assign({ ...document, leader: b })
  await runtime.runUntil(() => replica.follower !== undefined, 1_000)
  const follower = replica.follower!
  const asked = follower.position()
  expect(asked).toMatchObject({ next: 0, lastEpoch: -1 })
  expect(await stored()).toBe(2)
  const copy = [epochEntry(0)]
  const result = { ...asked, type: 'entries', entries: copy, highWatermark: 0, round: 0, documentVersion: 1 }
  await runtime.runUntil(follower.take(asked, result as FetchResult))
  expect([follower.next, await stored()]).toEqual([1, 1])
})
