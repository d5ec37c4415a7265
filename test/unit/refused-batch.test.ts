import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { CommitGroup } from '../../src/broker/committer.js'
import { aloneCommitment, type Commitment, type Cut } from '../../src/broker/cut.js'
import type { TopicView } from '../../src/broker/host.js'
import { Partition } from '../../src/broker/partition.js'
import { PortalError } from '../../src/core/errors.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { readBatchHeader } from '../../src/core/record-batch-header.js'
import { SnapshotBook } from '../../src/core/snapshot.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { partitionHost } from './partition-support.js'

const DEPOSED = new PortalError('NOT_LEADER', 'Another broker leads it.')

it('a deposed leader does not refuse a batch on what it knew: the producer asks the next one (invariant 10)', () => {
  const { partition, depose, group } = leader()
  const answers: (string | undefined)[] = []
  const builder = new RecordBatchBuilder(crc32)
  builder.tryAppend({ contentType: 'text', value: 'late', timestamp: 0, id: undefined })
  // Its first batches are with the next leader, which this one does not know of.
  const records = builder.seal('p', 0, 10)
  partition.produce({
    records,
    header: readBatchHeader(records),
    acks: 'all',
    answer: (result) => answers.push('error' in result ? result.error.code : undefined),
  })
  partition.cut(group)
  expect(answers).toEqual([])
  depose(DEPOSED)
  expect(answers).toEqual(['NOT_LEADER'])
})

/** A leader of which nothing is committed. */
function leader() {
  const runtime = systemRuntime({ crc32 })
  const host = partitionHost(runtime)
  const topic = { id: 't', name: 'orders', dispatchers: new Map() } as unknown as TopicView
  const recovered = { state: new PartitionState(), book: new SnapshotBook(), strayPages: [], logStart: 0 }
  const waiting: ((error: PortalError) => void)[] = []
  const uncommitted: Commitment = {
    ...aloneCommitment,
    cut: (group): Cut => {
      group.onCommitted = (_, failed) => void (failed && waiting.push(failed))
      return group
    },
  }
  const partition = new Partition(host, topic, 0, 't/0', 1, recovered, uncommitted)
  return {
    partition,
    group: new CommitGroup(),
    depose: (error: PortalError) => {
      for (const failed of waiting) failed(error)
    },
  }
}
