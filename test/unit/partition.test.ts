import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { aloneCommitment } from '../../src/broker/cut.js'
import { Partition } from '../../src/broker/partition.js'
import { emptyLog } from '../../src/broker/recovery.js'
import { Topic } from '../../src/broker/topic.js'
import { resolveTopicConfig } from '../../src/broker/topic-config.js'
import { PortalError } from '../../src/core/errors.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { readBatchHeader } from '../../src/core/record-batch-header.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { partitionHost } from './partition-support.js'

/** A partition whose leader is certain that it leads once the test says so. */
function lead() {
  const runtime = virtualRuntime()
  const { partitions, ...config } = resolveTopicConfig({}, { defaults: { replicas: 1 }, maxReplicas: 1 })
  const topic = new Topic({ id: 't', name: 't', createdAt: 0, config, partitions })
  const host = partitionHost(runtime)
  let sure = () => {}
  let deposed: (error: PortalError) => void = () => {}
  const confirm = () =>
    new Promise<void>((resolve, reject) => {
      sure = resolve
      deposed = reject
    })
  const partition = new Partition(host, topic, 0, 't/0', 1, emptyLog(), { ...aloneCommitment, confirm })
  const produce = (sequence: number) => {
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend({ contentType: 'text', value: 'x', timestamp: 0 })
    const records = builder.seal('producer', 0, sequence)
    const answers: (string | undefined)[] = []
    partition.produce({
      records,
      header: readBatchHeader(records),
      acks: 'all',
      answer: (result) => answers.push('error' in result ? result.error.code : undefined),
    })
    return answers
  }
  return { runtime, produce, sure: () => sure(), deposed: (error: PortalError) => deposed(error) }
}

it('a sequence is refused by a leader that is certain to lead: what is missing here, its successor may have [14]', async () => {
  const { runtime, produce, sure } = lead()
  const first = produce(0)
  const second = produce(8)
  await runtime.advance(1_000)
  expect(first).toEqual([undefined])
  expect(second).toEqual([])
  sure()
  await runtime.settle()
  expect(second).toEqual(['SEQUENCE_REFUSED'])
})

it('a leader that was deposed says so, and refuses nothing', async () => {
  const { runtime, produce, deposed } = lead()
  const answers = produce(8)
  await runtime.settle()
  deposed(new PortalError('NOT_LEADER', 'Another leads.'))
  await runtime.settle()
  expect(answers).toEqual(['NOT_LEADER'])
})
