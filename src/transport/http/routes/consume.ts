import { isPortalError, PortalError } from '../../../core/errors.js'
import { murmur2 } from '../../../core/murmur2.js'
import { RecordBatchView } from '../../../core/record-batch-view.js'
import type { Delivery, ReceiveResponse, Settlement, SettleOutcome } from '../../../protocol/service.js'
import { decodeReceiveRequest, encodeReceiveResponse } from '../../../protocol/wire/receive.js'
import { decodeSettleRequest, encodeSettleResponse } from '../../../protocol/wire/settle.js'
import { decodeStreamRequest, encodeAnswerFrame, encodeFailureFrame } from '../../../protocol/wire/stream.js'
import { WIRE_TYPE } from '../../../protocol/wire/wire.js'
import { randomId } from '../../../runtime/runtime.js'
import { binary, type HttpResponse, json, noContent } from '../exchange.js'
import { formatLease, type LeaseText, parseLease } from '../lease-text.js'
import { toMessageOutput } from '../message-json.js'
import { PROBLEM_TYPE, toProblem } from '../problem.js'
import type { Context, Route } from '../route.js'
import type { Schema } from '../schema.js'
import { LOST, RECEIVED } from './answer-schemas.js'
import { done } from './done.js'
import { JOIN, join } from './groups.js'
import { groupNameOf, numberOf, topicIdOf } from './names.js'
import { COUNT, JSON_TYPE, LONGEST_WAIT, NOTHING, POSITIVE, record, WAIT } from './schemas.js'

const tag = 'Messages'
const MOST = 1_000
/** Offsets of one byte become numbers of eight: these are as many as anybody settles at once. */
const MOST_SETTLE_BYTES = 4 << 20
const MOST_RECEIVE_BYTES = 1 << 20
const LEASE = 30_000
const LONGEST_LEASE = 86_400_000

export const consumeRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/receive',
    id: 'receive',
    tag,
    summary: 'Leases messages to the caller, or waits for one; makes the group if there is none.',
    description:
      'Each message is the caller’s alone until its lease ends: settle it with `ack`, `nack` or `reject` and its `lease`, else it comes back to the group.',
    bodyOptional: true,
    body: {
      [JSON_TYPE]: {
        type: 'object',
        additionalProperties: false,
        properties: {
          max: { ...POSITIVE, maximum: MOST, description: 'The most messages. Default: 1.' },
          wait: WAIT,
          lease: {
            type: 'integer',
            minimum: 10,
            maximum: LONGEST_LEASE,
            description: 'Milliseconds for which they are the caller’s. Default: 30,000.',
          },
          consumer: {
            type: 'string',
            pattern: '^[A-Za-z0-9._-]{1,249}$',
            description: 'Who asks. Default: somebody new each time.',
          },
          ...JOIN,
        },
        examples: [{ max: 10, wait: 20_000 }],
      },
      [WIRE_TYPE]: undefined,
    },
    answers: {
      200: {
        description: 'The messages; none at the end of the wait.',
        content: {
          [JSON_TYPE]: record({ messages: { type: 'array', items: RECEIVED } }),
          [WIRE_TYPE]: undefined,
        },
      },
    },
    handle: (context) => (context.type === WIRE_TYPE ? receiveBatches(context) : receiveMessages(context)),
  },
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/stream',
    id: 'receiveStream',
    tag: 'Batches',
    summary: 'Leases messages as they come, and as far as the credit goes.',
    body: { [WIRE_TYPE]: undefined },
    answers: { 200: { description: 'Frames, until it is ended.', content: { [WIRE_TYPE]: undefined } } },
    handle: streamBatches,
  },
  {
    method: 'PUT',
    path: '/streams/{stream}/credit',
    id: 'addCredit',
    tag: 'Batches',
    summary: 'Raises what a stream may deliver, counted from its beginning.',
    body: {
      [JSON_TYPE]: {
        type: 'object',
        required: ['messages', 'bytes'],
        additionalProperties: false,
        properties: { messages: COUNT, bytes: COUNT },
      },
    },
    answers: { 204: NOTHING },
    handle: done(async (context) => {
      const credit = (await context.json()) as { messages: number; bytes: number }
      await context.service.addCredit({ stream: context.params.stream!, ...credit }, context.call)
    }),
  },
  {
    method: 'DELETE',
    path: '/streams/{stream}',
    id: 'endStream',
    tag: 'Batches',
    summary: 'Ends a stream; what is not on its way yet is given back.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.endStream({ stream: context.params.stream! }, context.call)),
  },
  {
    method: 'DELETE',
    path: '/topics/{topic}/groups/{group}/receives/{consumer}/{id}',
    id: 'endReceive',
    tag: 'Batches',
    summary: 'Ends a receive that still waits.',
    answers: { 204: NOTHING },
    handle: done(async (context) => {
      const { group, consumer } = context.params as { group: string; consumer: string }
      const request = { topicId: await topicIdOf(context), group, consumer, id: numberOf(context, 'id') }
      await context.service.endReceive(request, context.call)
    }),
  },
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/settle',
    id: 'settle',
    tag: 'Batches',
    summary: 'Ends or extends leases of several partitions.',
    body: { [WIRE_TYPE]: undefined },
    answers: { 200: { description: 'Which leases were lost before.', content: { [WIRE_TYPE]: undefined } } },
    async handle(context) {
      const request = decodeSettleRequest(await context.bytes(MOST_SETTLE_BYTES))
      return binary(WIRE_TYPE, encodeSettleResponse(await context.service.settle(request, context.call)))
    },
  },
  settleRoute('ack', 'Done: the messages are never delivered to the group again.'),
  settleRoute('nack', 'Failed: the messages come back after `delay`, or go to the dead letters in the end.', {
    delay: { ...COUNT, description: 'Milliseconds until they may come back. Default: the group’s backoff.' },
    reason: { type: 'string', maxLength: 1_000 },
  }),
  settleRoute('reject', 'They can never succeed: the messages go to the dead letters now.', {
    reason: { type: 'string', maxLength: 1_000 },
  }),
  settleRoute('release', 'Given back unhandled: nothing is counted.'),
  settleRoute('extend', 'Their leases end `duration` milliseconds from now.', {
    duration: { ...POSITIVE, maximum: LONGEST_LEASE, description: 'Milliseconds. Default: 30,000.' },
  }),
]

async function receiveBatches(context: Context): Promise<HttpResponse> {
  const request = decodeReceiveRequest(await context.bytes(MOST_RECEIVE_BYTES))
  const wait = Math.min(request.wait ?? LONGEST_WAIT, LONGEST_WAIT)
  const { service, call } = context
  const response = await service.receive({ ...request, wait }, call)
  return {
    ...binary(WIRE_TYPE, encodeReceiveResponse(response)),
    undo: () =>
      giveBack(context, request.topicId, request.group, request.generation, request.consumer, response),
  }
}

async function streamBatches(context: Context): Promise<HttpResponse> {
  const request = decodeStreamRequest(await context.bytes(MOST_RECEIVE_BYTES))
  const answers = context.service.receiveStream(request, context.call)[Symbol.asyncIterator]()
  // What it refuses at once is a problem like any other.
  const first = await answers.next()
  const giveUp = (response: ReceiveResponse) =>
    giveBack(context, request.topicId, request.group, request.generation, request.consumer, response)
  const opening = first.done ? EMPTY : first.value
  // Frames that nobody begins to take cannot give back by themselves.
  let isBegun = false
  const begin = () => {
    isBegun = true
    return opening
  }
  return {
    status: 200,
    headers: { 'content-type': WIRE_TYPE, 'x-accel-buffering': 'no' },
    body: frames(begin, answers, giveUp),
    undo: () => {
      if (!isBegun) giveUp(opening)
    },
  }
}

const EMPTY: ReceiveResponse = { deliveries: [] }

/** Each answer as a frame; one that was not taken is given back. */
async function* frames(
  begin: () => ReceiveResponse,
  answers: AsyncIterator<ReceiveResponse>,
  giveUp: (response: ReceiveResponse) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let response: ReceiveResponse | undefined = begin(); response !== undefined; ) {
      let isTaken = false
      try {
        yield encodeAnswerFrame(response)
        isTaken = true
      } finally {
        if (!isTaken) giveUp(response)
      }
      const next: IteratorResult<ReceiveResponse> = await answers.next()
      response = next.done ? undefined : next.value
    }
  } catch (error) {
    if (!isPortalError(error)) throw error
    yield encodeFailureFrame(error)
  } finally {
    void answers.return?.()
  }
}

interface ReceiveInput {
  readonly max?: number
  readonly wait?: number
  readonly lease?: number
  readonly consumer?: string
  readonly from?: string | number
}

async function receiveMessages(context: Context): Promise<HttpResponse> {
  const input = ((await context.json()) ?? {}) as ReceiveInput
  const { max = 1, wait = 0, lease = LEASE, from, ...rest } = input
  const { consumer = randomId(context.runtime.random, 8), ...settings } = rest
  const joined = await join(context, settings, from, true)
  const { group } = context.params as { group: string }
  const { topicId, generation } = joined
  const request = { topicId, group, generation, consumer, lease, maxMessages: max, maxBytes: 16 << 20, wait }
  const response = await context.service.receive(request, context.call)
  const messages = response.deliveries.flatMap((delivery) =>
    messagesOf(delivery, topicId, generation, consumer),
  )
  return {
    ...json({ messages }),
    undo: () => giveBack(context, topicId, group, generation, consumer, response),
  }
}

function messagesOf(delivery: Delivery, topicId: string, generation: number, consumer: string): object[] {
  const { partition, token, batches } = delivery
  return batches.flatMap(({ baseOffset, records, ranges, deliveryCounts }) => {
    const view = new RecordBatchView(records)
    const counts = new Map<number, number>()
    for (let at = 0; at < deliveryCounts.length; at += 2)
      counts.set(deliveryCounts[at]!, deliveryCounts[at + 1]!)
    const messages: object[] = []
    for (let at = 0; at < ranges.length; at += 2) {
      for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) {
        messages.push({
          ...toMessageOutput(view, offset - baseOffset, partition, offset),
          deliveryCount: counts.get(offset) ?? 1,
          lease: formatLease({ topicId, generation, partition, offset, token, consumer }),
        })
      }
    }
    return messages
  })
}

/** The caller has gone without its answer: nobody knows of these leases. */
function giveBack(
  { service }: Context,
  topicId: string,
  group: string,
  generation: number,
  consumer: string,
  { deliveries }: ReceiveResponse,
): void {
  const settlements = deliveries.map(({ partition, token, batches }): Settlement => {
    return { partition, token, outcome: 'release', ranges: batches.flatMap((batch) => batch.ranges) }
  })
  if (settlements.length === 0) return
  service.settle({ topicId, group, generation, consumer, settlements }).catch(() => {})
}

function settleRoute(
  outcome: SettleOutcome,
  summary: string,
  properties: Readonly<Record<string, Schema>> = {},
): Route {
  return {
    method: 'POST',
    path: `/topics/{topic}/groups/{group}/${outcome}`,
    id: `${outcome}Messages`,
    tag,
    summary,
    body: {
      [JSON_TYPE]: {
        type: 'object',
        required: ['leases'],
        additionalProperties: false,
        properties: {
          leases: { type: 'array', items: { type: 'string', maxLength: 512 }, minItems: 1, maxItems: MOST },
          ...properties,
        },
        examples: [{ leases: ['…'] }],
      },
    },
    answers: {
      204: NOTHING,
      409: {
        description: 'Some leases were lost before: `lost` names them. The others are settled.',
        content: { [PROBLEM_TYPE]: LOST },
      },
    },
    handle: (context) => settleMessages(context, outcome),
  }
}

interface SettleInput {
  readonly leases: readonly string[]
  readonly delay?: number
  readonly duration?: number
  readonly reason?: string
}

async function settleMessages(context: Context, outcome: SettleOutcome): Promise<HttpResponse> {
  const input = (await context.json()) as SettleInput
  const leases = [...new Set(input.leases)].map((text) => ({ text, ...parseLease(text) }))
  const current = await topicIdOf(context)
  const { group } = groupNameOf(context)
  const delay = outcome === 'extend' ? (input.duration ?? LEASE) : input.delay
  const lost: string[] = []
  const shares = new Map<string, typeof leases>()
  for (const lease of leases) {
    // Of a topic that was made again under the name, or of another one.
    if (lease.topicId !== current) {
      lost.push(lease.text)
      continue
    }
    const key = `${lease.topicId}~${lease.generation}~${lease.consumer}`
    shares.set(key, [...(shares.get(key) ?? []), lease])
  }
  await Promise.all(
    [...shares.values()].map(async (share) => {
      const { topicId, generation, consumer } = share[0]!
      const sorted = share.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
      const settlements = sorted.map(({ partition, token, offset }): Settlement => {
        return { partition, token, outcome, ranges: [offset, offset + 1], delay, reason: input.reason }
      })
      const number = requestNumber(context, outcome, delay, sorted)
      const request = { topicId, group, generation, consumer, number, settlements }
      const response = await context.service.settle(request, context.call)
      response.lost.forEach((ranges, at) => {
        if (ranges.length > 0) lost.push(sorted[at]!.text)
      })
    }),
  )
  if (lost.length === 0) return noContent()
  const some =
    leases.length === 1 ? 'The lease was lost' : `${lost.length} of ${leases.length} leases were lost`
  const error = new PortalError(
    'LEASE_LOST',
    `${some}: it took too long, was settled before, or the group was moved. What is not settled is delivered again.`,
  )
  return toProblem(error, { fields: { lost } })
}

/** The same for the same request sent again: it is answered as it was the first time. */
function requestNumber(
  { runtime }: Context,
  outcome: SettleOutcome,
  delay: number | undefined,
  leases: readonly (LeaseText & { readonly text: string })[],
): number | undefined {
  // An extension sent again extends again.
  if (outcome === 'extend') return undefined
  const bytes = new TextEncoder().encode([outcome, delay, ...leases.map(({ text }) => text)].join(' '))
  return runtime.crc32(bytes) * 2 ** 20 + (murmur2(bytes) & 0xfffff)
}
