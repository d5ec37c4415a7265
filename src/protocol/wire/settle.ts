import { PortalError } from '../../core/errors.js'
import { readRanges, writeRanges } from '../../core/ranges.js'
import type { Settlement, SettleOutcome, SettleRequest, SettleResponse } from '../service.js'
import { beginAnswer } from './answer.js'
import { readToken, writeToken } from './receive.js'
import { readCredit, writeCredit } from './stream.js'
import { beginMessage, openMessage, readList, readOptional, writeList, writeOptional } from './wire.js'

/** Their places are their codes: new ones only at the end. */
const OUTCOMES: readonly SettleOutcome[] = ['ack', 'nack', 'reject', 'extend', 'release']

export function encodeSettleRequest(request: SettleRequest): Uint8Array {
  const writer = beginMessage()
  writer.string(request.topicId)
  writer.string(request.group)
  writer.varint(request.generation)
  writer.string(request.consumer)
  writeOptional(writer, request.number)
  writeList(
    writer,
    request.settlements,
    () => 32,
    (settlement) => {
      writer.varint(settlement.partition)
      writeToken(writer, settlement.token)
      writer.u8(OUTCOMES.indexOf(settlement.outcome))
      writeRanges(writer, settlement.ranges)
      writeOptional(writer, settlement.delay)
      writer.string(settlement.reason ?? '')
    },
  )
  writer.string(request.credit?.stream ?? '')
  if (request.credit) writeCredit(writer, request.credit)
  return writer.finish()
}

export function decodeSettleRequest(bytes: Uint8Array): SettleRequest {
  const reader = openMessage(bytes)
  const request = {
    topicId: reader.string(64),
    group: reader.string(256),
    generation: reader.varint(),
    consumer: reader.string(512),
    number: readOptional(reader),
    settlements: readList<Settlement>(bytes, reader, (block) => {
      const partition = block.varint()
      const token = readToken(block)
      const outcome = OUTCOMES[block.u8()]
      if (outcome === undefined)
        throw new PortalError('UNSUPPORTED', 'A settlement has an outcome that this build does not know.')
      const ranges = readRanges(block)
      const delay = readOptional(block)
      const reason = block.string() || undefined
      return { partition, token, outcome, ranges, delay, reason }
    }),
  }
  const stream = reader.remaining > 0 ? reader.string(64) : ''
  return stream === '' ? request : { ...request, credit: { stream, ...readCredit(reader) } }
}

export function encodeSettleResponse({ lost }: SettleResponse): Uint8Array {
  const writer = beginAnswer(64)
  writeList(
    writer,
    lost,
    () => 1,
    (ranges) => writeRanges(writer, ranges),
  )
  return writer.view()
}

export function decodeSettleResponse(bytes: Uint8Array): SettleResponse {
  return { lost: readList(bytes, openMessage(bytes), (block) => readRanges(block)) }
}
