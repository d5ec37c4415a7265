import { expect, test } from 'vitest'
import { clusterLines } from '../../src/cli/cluster/lines.js'
import type { ClusterDescription, PartitionPlacement } from '../../src/index.js'

const ids = ['aaaa0001', 'aaaa0002', 'bbbb0003']

const cluster: ClusterDescription = {
  clusterId: '0123456789abcdef0123456789abcdef',
  brokers: ids.map((id, at) => ({
    id,
    url: at === 2 ? undefined : `http://127.0.0.1:500${at}`,
    alive: at !== 2,
    leaving: at === 1,
    full: at === 1,
    stalled: at === 1,
    drained: at === 2,
    generation: 1,
    leaders: 1,
    replicas: 3,
  })),
  topics: 1,
  partitions: 3,
  storage: { usedBytes: 1 << 20, freeBytes: 1 },
  controller: { id: ids[0]!, term: 4 },
  coordination: { reachable: true },
}

function placed(change: Partial<PartitionPlacement>): PartitionPlacement {
  const log = { end: 12_345, highWatermark: 12_345, followers: [{ id: ids[1]!, lag: 0 }] }
  return {
    topic: 't',
    partition: 0,
    leader: ids[0],
    epoch: 1,
    replicas: ids,
    inSync: ids,
    minInSync: 2,
    log,
    ...change,
  }
}

test('names brokers by what tells them apart, and says what is wrong', () => {
  const partitions = [
    placed({}),
    placed({ partition: 1, leader: undefined, inSync: ids.slice(0, 1), log: undefined }),
    placed({
      partition: 2,
      target: [ids[0]!],
      log: { end: 9, highWatermark: 7, followers: [{ id: ids[1]!, lag: 1_234 }, { id: ids[2]! }] },
    }),
  ]
  const text = clusterLines({ cluster, partitions }, 120).join('\n')
  expect(text).toContain('controller aaaa0001 (term 4)   coordination reachable')
  expect(text).toMatch(/aaaa0001 {2}alive, controller/)
  expect(text).toMatch(/aaaa0002 {2}leaving, FULL, STALLED/)
  expect(text).toMatch(/bbbb0003 {2}AWAY, drained/)
  expect(text).toMatch(/t +1 +NONE +1 +1\/3 +aaaa0001 \(aaaa0002\) \(bbbb0003\) +\?/)
  expect(text).toMatch(/12,345 {2}0$/m)
  expect(text).toContain('→ aaaa0001')
  expect(text).toContain('aaaa0002 1,234, bbbb0003 ?')
  expect(text).toContain('Partitions: 1 without a leader, 1 under-replicated, 1 moving.')
})

test('fits 80 columns, whatever the length of the names of topics', () => {
  const four = ids.map((id) => `${id[0]}${id.slice(-3)}`)
  const named = {
    ...cluster,
    controller: { id: four[0]!, term: 4 },
    brokers: cluster.brokers.map((broker, at) => ({ ...broker, id: four[at]! })),
  }
  const partitions = [
    placed({ topic: 'a-name-'.repeat(20), leader: four[0], replicas: four, inSync: four, log: undefined }),
  ]
  for (const line of clusterLines({ cluster: named, partitions }, 80))
    expect(line.length).toBeLessThanOrEqual(80)
})

test('of a broker that is alone says so', () => {
  const { controller, coordination, ...rest } = cluster
  const alone = { ...rest, brokers: [{ id: ids[0]!, url: undefined }] }
  expect(clusterLines({ cluster: alone, partitions: [] }, 80).join('\n')).toContain('This broker is alone.')
})
