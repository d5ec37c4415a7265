import { isPortalError, PortalError } from '../core/errors.js'
import { INTERNAL_PRODUCER_PREFIX } from '../core/producer-window.js'
import { verifyBatch } from '../core/record-batch-verify.js'
import type { ProduceBatch, ProduceRequest, ProduceResponse, ProduceResult } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Partition } from './partition.js'

/** Appends the batches of a request; each has its own outcome. */
export function produce(
  request: ProduceRequest,
  find: (topicId: string, partition: number) => Partition,
  runtime: Runtime,
): Promise<ProduceResponse> {
  const results = new Array<ProduceResult>(request.batches.length)
  let left = request.batches.length
  if (left === 0) return Promise.resolve({ results })
  return new Promise((resolve) => {
    const answer = (at: number, result: ProduceResult) => {
      results[at] = result
      if (--left === 0) resolve({ results })
    }
    request.batches.forEach((batch, at) => {
      try {
        produceBatch(batch, request.acks, find, runtime, (result) => answer(at, result))
      } catch (error) {
        answer(at, { error: asPortalError(error) })
      }
    })
  })
}

function produceBatch(
  batch: ProduceBatch,
  acks: ProduceRequest['acks'],
  find: (topicId: string, partition: number) => Partition,
  runtime: Runtime,
  answer: (result: ProduceResult) => void,
): void {
  const partition = find(batch.topicId, batch.partition)
  const header = verifyBatch(batch.records, runtime.crc32, {
    maxMessageBytes: partition.topic.maxMessageBytes,
  })
  if (header.count === 0)
    throw new PortalError('INVALID_ARGUMENT', 'A record batch must hold at least one message.')
  if (header.producerId.startsWith(INTERNAL_PRODUCER_PREFIX)) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `Producer ids that begin with ${INTERNAL_PRODUCER_PREFIX} are the broker's own.`,
    )
  }
  partition.produce({ records: batch.records, header, acks, answer })
}

function asPortalError(error: unknown): PortalError {
  if (isPortalError(error)) return error
  return new PortalError('INVALID_ARGUMENT', 'The record batch could not be read.', { cause: error })
}
