import { PortalError } from '../../core/errors.js'
import type { BrokerService, CallOptions, ReceiveResponse, StreamRequest } from '../../protocol/service.js'
import { received } from './samples.js'
import {
  bytes,
  ensure,
  equal,
  rejection,
  signpost,
  type TransportConformanceCase,
  transportCase,
} from './support.js'

const OPEN: ReceiveResponse = { deliveries: [] }
const request: StreamRequest = {
  topicId: '0123456789abcdef',
  group: 'billing',
  generation: 2,
  consumer: 'c-1',
  lease: 30_000,
  stream: 'fedcba9876543210',
  credit: { messages: 2 ** 33, bytes: 1 << 24 },
  held: [{ partition: 1, token: { epoch: 1, index: 2, slot: 3 } }],
}

/** Streams: answers as they come, and how they end. */
export const streamCases: readonly TransportConformanceCase[] = [
  transportCase('the answers of a stream come as they were given, until it ends', async ({ serve }) => {
    let arrived: unknown
    const large = deliveryOf(bytes(3 << 20, 5))
    const answers = [OPEN, received, OPEN, large, received]
    const { remote } = await serve({
      async *receiveStream(given) {
        arrived = given
        yield* answers
      },
    })
    const found: ReceiveResponse[] = []
    for await (const answer of remote.receiveStream(request)) found.push(answer)
    equal(arrived, request, 'the request')
    equal(found, answers, 'the answers')
  }),

  transportCase('an answer of a stream comes before there is another', async ({ serve }) => {
    const seen = signpost()
    const { remote } = await serve({
      async *receiveStream() {
        yield OPEN
        yield received
        await seen.reached
        yield OPEN
      },
    })
    let count = 0
    for await (const answer of remote.receiveStream(request)) {
      if (++count !== 2) continue
      equal(answer, received, 'the second answer')
      seen.pass()
    }
    equal(count, 3, 'the answers')
  }),

  ...[0, 2].map((after) =>
    transportCase(`a stream that fails after ${after} answers says why`, async ({ serve }) => {
      const { remote } = await serve({
        async *receiveStream() {
          for (let at = 0; at < after; at++) yield OPEN
          throw new PortalError('GROUP_NOT_FOUND', 'The group ‘billing’ was moved.', { retriable: true })
        },
      })
      let count = 0
      const all = async () => {
        for await (const answer of remote.receiveStream(request)) count += answer === undefined ? 0 : 1
      }
      const error = await rejection(all(), 'GROUP_NOT_FOUND', 'the stream')
      equal([error.message, error.retriable], ['The group ‘billing’ was moved.', true], 'the error')
      equal(count, after, 'the answers before')
    }),
  ),

  transportCase('a stream that is left, or whose signal aborts, ends at the service', async ({ serve }) => {
    for (const leave of ['leave', 'abort'] as const) {
      const ended = signpost()
      const { remote } = await serve({
        receiveStream: (_, call) => sleeping(call, ended.pass),
        endStream: async () => ended.pass(),
      })
      const controller = new AbortController()
      try {
        for await (const answer of remote.receiveStream(request, { signal: controller.signal })) {
          equal(answer, OPEN, 'the first answer')
          if (leave === 'leave') break
          controller.abort()
        }
      } catch (error) {
        ensure(leave === 'abort' && error instanceof PortalError && error.code === 'ABORTED', `why: ${error}`)
      }
      await ended.reached
    }
  }),

  transportCase('a stream ends with DISCONNECTED when the listener closes', async ({ serve }) => {
    const { remote, listener } = await serve({
      receiveStream: (_, call) => sleeping(call, () => {}),
    } as Partial<BrokerService>)
    const open = signpost()
    const all = async () => {
      for await (const answer of remote.receiveStream(request)) {
        equal(answer, OPEN, 'the first answer')
        open.pass()
      }
    }
    const outcome = rejection(all(), 'DISCONNECTED', 'the stream')
    await open.reached
    await listener.close()
    ensure((await outcome).retriable, 'it may be opened again')
    await rejection(all(), 'DISCONNECTED', 'a stream after the close')
  }),
]

/** A stream that is open and silent until its signal aborts or it is left. */
function sleeping(call: CallOptions | undefined, ended: () => void): AsyncIterable<ReceiveResponse> {
  const over = signpost()
  call?.signal?.addEventListener('abort', () => over.pass())
  let isFirst = true
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        if (isFirst) {
          isFirst = false
          return { done: false, value: OPEN }
        }
        await over.reached
        ended()
        return { done: true, value: undefined }
      },
      async return() {
        over.pass()
        ended()
        return { done: true, value: undefined }
      },
    }),
  }
}

function deliveryOf(records: Uint8Array): ReceiveResponse {
  const token = { epoch: 1, index: 2, slot: 3 }
  const batches = [{ baseOffset: 7, records, ranges: [7, 8], deliveryCounts: [] }]
  return { deliveries: [{ partition: 0, token, batches }] }
}
