import { PortalError } from '../../../core/errors.js'
import { RecordBatchView } from '../../../core/record-batch-view.js'
import type { Position, ReadResponse } from '../../../protocol/service.js'
import { encodeReadResponse } from '../../../protocol/wire/read.js'
import { WIRE_TYPE } from '../../../protocol/wire/wire.js'
import { binary, type HttpResponse, json } from '../exchange.js'
import { follow } from '../follow.js'
import { MESSAGE_OUTPUT, toMessageOutput } from '../message-json.js'
import type { Context, Route } from '../route.js'
import { OFFSET } from './answer-schemas.js'
import { numberOf, toPosition, topicIdOf, topicNameOf } from './names.js'
import { answer, COUNT, JSON_TYPE, POSITION_TEXT, POSITIVE, record, WAIT } from './schemas.js'

const tag = 'Messages'
const EVENTS_TYPE = 'text/event-stream'
const MOST = 10_000
/** Bytes of records in one answer; it ends after them, whatever the limit. */
const MOST_BYTES = 16 << 20

export const readRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/topics/{topic}/messages',
    id: 'readMessages',
    tag,
    summary: 'Reads messages without settling anything; as server-sent events it follows what comes.',
    description:
      'It begins at `from` (default: earliest). As `text/event-stream` it sends every message from `from` on (default: latest), of one partition or all, until the caller leaves; `Last-Event-ID` goes on where it left.',
    query: {
      from: POSITION_TEXT,
      partition: { ...COUNT, description: 'Default: 0; when following, all.' },
      limit: { ...POSITIVE, maximum: MOST, description: 'The most messages in the answer. Default: 100.' },
      wait: WAIT,
    },
    headers: {
      'Last-Event-ID': {
        type: 'string',
        description: 'The id of the last event that arrived: follows on from there.',
      },
    },
    answers: {
      200: {
        description: 'The messages, and the offset to go on from.',
        content: {
          [JSON_TYPE]: record({
            messages: { type: 'array', items: MESSAGE_OUTPUT },
            partition: COUNT,
            nextOffset: { ...COUNT, description: 'Give it as `from` to read on.' },
            endOffset: { ...COUNT, description: 'The offset that the next message will get.' },
          }),
          [EVENTS_TYPE]: {
            type: 'string',
            description: 'Events whose `data` is a message, and whose `id` says where to go on.',
          },
        },
      },
    },
    handle: (context) =>
      context.wants(JSON_TYPE, EVENTS_TYPE) === EVENTS_TYPE ? followMessages(context) : readMessages(context),
  },
  {
    method: 'GET',
    path: '/topics/{topic}/partitions/{partition}/messages',
    id: 'read',
    tag: 'Batches',
    summary: 'Record batches from an offset on.',
    query: { offset: COUNT, maxBytes: POSITIVE, wait: WAIT },
    answers: { 200: { description: 'The batches.', content: { [WIRE_TYPE]: undefined } } },
    async handle(context) {
      const { offset = 0, maxBytes = 1 << 20, wait } = context.query as Record<string, number | undefined>
      const topicId = await topicIdOf(context)
      const request = { topicId, partition: numberOf(context, 'partition'), offset, maxBytes, wait }
      return binary(WIRE_TYPE, encodeReadResponse(await context.service.read(request, context.call)))
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}/partitions/{partition}/offset',
    id: 'findOffset',
    tag,
    summary: 'The offset that a position stands for.',
    query: { at: POSITION_TEXT },
    answers: { 200: answer('The offset.', OFFSET) },
    async handle(context) {
      const topicId = await topicIdOf(context)
      const partition = numberOf(context, 'partition')
      const at = toPosition(context.query.at ?? 'earliest')
      return json(await context.service.findOffset({ topicId, partition, at }, context.call))
    },
  },
]

async function readMessages(context: Context): Promise<HttpResponse> {
  const {
    from,
    partition = 0,
    limit = 100,
    wait,
  } = context.query as {
    from?: string
    partition?: number
    limit?: number
    wait?: number
  }
  const { service, call } = context
  const topicId = await topicIdOf(context)
  const { offset } = await service.findOffset(
    { topicId, partition, at: toPosition(from ?? 'earliest') },
    call,
  )
  const messages: object[] = []
  let at = offset
  let bytes = 0
  for (;;) {
    const first = messages.length === 0
    const response: ReadResponse = await service.read(
      { topicId, partition, offset: at, maxBytes: 1 << 20, wait: first ? wait : 0 },
      call,
    )
    const next = collect(response, at, partition, limit, messages)
    bytes += response.batches.reduce((sum, { records }) => sum + records.length, 0)
    const isOver =
      next === at || next >= response.endOffset || messages.length >= limit || bytes >= MOST_BYTES
    at = next
    if (isOver) return json({ messages, partition, nextOffset: at, endOffset: response.endOffset })
  }
}

/** Adds messages from `from` on, up to the limit; returns where to go on. */
function collect(
  response: ReadResponse,
  from: number,
  partition: number,
  limit: number,
  messages: object[],
): number {
  for (const { baseOffset, records } of response.batches) {
    const view = new RecordBatchView(records)
    for (let at = Math.max(0, from - baseOffset); at < view.count; at++) {
      if (messages.length >= limit) return baseOffset + at
      messages.push(toMessageOutput(view, at, partition, baseOffset + at))
    }
  }
  return response.nextOffset
}

async function followMessages(context: Context): Promise<HttpResponse> {
  const { service, call, request } = context
  const { partition, from } = context.query as { partition?: number; from?: string }
  const route = await service.findTopic({ name: topicNameOf(context), wait: 0 }, call)
  const resumed = parseEventId(request.header('last-event-id'))
  const at = toPosition(from ?? 'latest')
  const partitions =
    partition === undefined ? Array.from({ length: route.partitions }, (_, one) => one) : [partition]
  const starts = new Map<number, number>()
  for (const one of partitions) {
    // One that the id does not name was added since.
    const position: Position = resumed.has(one)
      ? { offset: resumed.get(one)! }
      : resumed.size > 0
        ? 'earliest'
        : at
    const { offset } = await service.findOffset(
      { topicId: route.topicId, partition: one, at: position },
      call,
    )
    starts.set(one, offset)
  }
  return {
    status: 200,
    headers: { 'content-type': EVENTS_TYPE, 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    body: follow(service, route.topicId, starts, call),
  }
}

/** Where each partition goes on: `0:17,3:4`. */
function parseEventId(id: string | undefined): Map<number, number> {
  const offsets = new Map<number, number>()
  if (id === undefined || id === '') return offsets
  for (const part of id.split(',')) {
    const match = /^(\d{1,6}):(\d{1,15})$/.exec(part)
    if (!match) throw new PortalError('INVALID_ARGUMENT', 'Last-Event-ID is not one that was sent from here.')
    offsets.set(Number(match[1]), Number(match[2]))
  }
  return offsets
}
