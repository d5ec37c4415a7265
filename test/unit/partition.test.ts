import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { aloneCommitment, type Commitment } from '../../src/broker/cut.js'
import { Partition } from '../../src/broker/partition.js'
import { emptyLog } from '../../src/broker/recovery.js'
import { Topic } from '../../src/broker/topic.js'
import { resolveTopicConfig } from '../../src/broker/topic-config.js'
import { PortalError } from '../../src/core/errors.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { readBatchHeader } from '../../src/core/record-batch-header.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { partitionHost } from './partition-support.js'

const DEPOSED = new PortalError('NOT_LEADER', 'Another broker leads it.')

it('a sequence is refused by a leader that is certain to lead: what is missing here, its successor may have [14]', async () => {
  const { runtime, produce, sure } = leadUnsure()
  const first = produce(0)
  const second = produce(8)
  await runtime.advance(1_000)
  expect(first).toEqual([undefined])
  expect(second).toEqual([])
  sure()
  await runtime.settle()
  expect(second).toEqual(['SEQUENCE_REFUSED'])
})

it('a leader that is deposed before it is certain says so, and refuses nothing', async () => {
  const { runtime, produce, depose } = leadUnsure()
  const answers = produce(8)
  await runtime.settle()
  depose()
  await runtime.settle()
  expect(answers).toEqual(['NOT_LEADER'])
})

it('nor does one that is deposed before what it knew is committed: the producer asks the next one (invariant 10)', async () => {
  const { runtime, produce, depose } = leadUncommitted()
  // Its first batches are with the next leader, which this one does not know of.
  const answers = produce(10)
  await runtime.advance(1_000)
  expect(answers).toEqual([])
  depose()
  expect(answers).toEqual(['NOT_LEADER'])
})

it('a deposed leader does not say of what it has appended that it is not stored: the next one may have it', async () => {
  const { runtime, produce, depose } = leadUncommitted()
  const answers = produce(0)
  await runtime.advance(1_000)
  expect(answers).toEqual([])
  depose()
  expect(answers).toEqual(['TIMEOUT'])
})

it('a leader with too few in sync does not refuse a copy of what it has appended: its producer would send that again, under another sequence [14]', async () => {
  let lacks = false
  const tooFew = new PortalError('NOT_ENOUGH_REPLICAS', 'Too few are in sync.')
  const { runtime, produce, depose } = leadUncommitted({ refusal: () => (lacks ? tooFew : undefined) })
  const answers = produce(0)
  await runtime.advance(1_000)
  lacks = true
  const copies = produce(0)
  const others = produce(1)
  await runtime.advance(1_000)
  expect([answers, copies, others]).toEqual([[], [], ['NOT_ENOUGH_REPLICAS']])
  depose()
  expect([answers, copies]).toEqual([['TIMEOUT'], ['TIMEOUT']])
})

it('a leader with too few in sync does not acknowledge a copy of what was committed, either, before more are: it may be on fewer disks by now [3]', async () => {
  let lacks = false
  const tooFew = new PortalError('NOT_ENOUGH_REPLICAS', 'Too few are in sync.')
  const { runtime, produce, more } = leadUnsure({ refusal: () => (lacks ? tooFew : undefined) })
  const answers = produce(0)
  await runtime.advance(1_000)
  expect(answers).toEqual([undefined])
  lacks = true
  const copies = produce(0)
  await runtime.advance(1_000)
  expect(copies).toEqual([])
  lacks = false
  more()
  await runtime.advance(1_000)
  expect(copies).toEqual([undefined])
})

/** What it stores is committed. It is certain that it leads once the test says so. */
function leadUnsure(more: Partial<Commitment> = {}) {
  let sure = () => {}
  let deposed: (error: PortalError) => void = () => {}
  const confirm = () =>
    new Promise<void>((resolve, reject) => {
      sure = resolve
      deposed = reject
    })
  return { ...lead({ confirm, ...more }), sure: () => sure(), depose: () => deposed(DEPOSED) }
}

/** Nothing of what it stores is committed. */
function leadUncommitted(more: Partial<Commitment> = {}) {
  const waiting: ((error: PortalError) => void)[] = []
  const cut: Commitment['cut'] = (group) => {
    group.onCommitted = (_, failed) => void (failed && waiting.push(failed))
    return group
  }
  const led = lead({ cut, ...more })
  return {
    ...led,
    depose: () => {
      for (const failed of waiting) failed(DEPOSED)
      led.close(DEPOSED)
    },
  }
}

function lead(commitment: Partial<Commitment>) {
  const runtime = virtualRuntime()
  const { partitions, ...config } = resolveTopicConfig({}, { defaults: { replicas: 1 }, maxReplicas: 1 })
  const topic = new Topic({ id: 't', name: 't', createdAt: 0, config, partitions })
  const partition = new Partition(partitionHost(runtime), topic, 0, 't/0', 1, emptyLog(), {
    ...aloneCommitment,
    ...commitment,
  })
  /** The code of the answer, once there is one; undefined: it is stored. */
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
  const close = (error: PortalError) => partition.close(error)
  return { runtime, produce, close, more: () => partition.progressed(true) }
}
