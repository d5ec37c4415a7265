import type { BrokerService } from '../../protocol/service.js'
import { receiveRequest, type Sample, samples } from './samples.js'
import { bytes, ensure, equal, signpost, type TransportConformanceCase, transportCase } from './support.js'

const LARGE = 8 << 20

/** Requests and answers as they were given, however many, large or small. */
export const callCases: readonly TransportConformanceCase[] = [
  ...samples.map(crossing),

  transportCase('8 MiB cross, both ways', async ({ serve }) => {
    let arrived: Uint8Array | undefined
    const records = bytes(LARGE, 3)
    const { remote } = await serve({
      produce: async ({ batches }) => {
        arrived = batches[0]!.records
        return { results: [{ runs: [1, 0, 0] }] }
      },
      read: async () => ({ batches: [{ baseOffset: 0, records }], nextOffset: 1, endOffset: 1 }),
      receive: async () => ({
        deliveries: [
          {
            partition: 0,
            token: { epoch: 1, index: 1, slot: 0 },
            batches: [{ baseOffset: 0, records, ranges: [0, 1], deliveryCounts: [] }],
          },
        ],
      }),
    })
    await remote.produce({ acks: 'all', batches: [{ topicId: 't', partition: 0, records }] })
    equal(arrived, records, 'the records that arrived')
    equal(records, bytes(LARGE, 3), 'the records of the caller')
    const read = await remote.read({ topicId: 't', partition: 0, offset: 0, maxBytes: LARGE })
    equal(read.batches[0]!.records, records, 'the records that were read')
    const { deliveries } = await remote.receive(receiveRequest)
    equal(deliveries[0]!.batches[0]!.records, records, 'the records that were received')
  }),

  transportCase('what is empty crosses, both ways', async ({ serve }) => {
    const arrived: unknown[] = []
    const empty = new Uint8Array(0)
    const { remote } = await serve({
      produce: async (request) => {
        arrived.push(request)
        return { results: request.batches.map(() => ({ runs: [] })) }
      },
      read: async () => ({ batches: [{ baseOffset: 0, records: empty }], nextOffset: 1, endOffset: 0 }),
    })
    const none = { acks: 'all', batches: [] } as const
    const one = { acks: 'all', batches: [{ topicId: 't', partition: 0, records: empty }] } as const
    equal(await remote.produce(none), { results: [] }, 'the answer to no batch')
    equal(await remote.produce(one), { results: [{ runs: [] }] }, 'the answer to an empty batch')
    equal(arrived, [none, one], 'what arrived')
    const read = await remote.read({ topicId: 't', partition: 0, offset: 0, maxBytes: 1 })
    equal(read.batches, [{ baseOffset: 0, records: empty }], 'what was read')
  }),

  transportCase(
    '200 calls at once are under way together, and each gets its own answer',
    async ({ serve }) => {
      const all = signpost()
      let underWay = 0
      const { remote } = await serve({
        read: async ({ offset }) => {
          if (++underWay === 200) all.pass()
          await all.reached
          return { batches: [], nextOffset: offset + 1, endOffset: offset }
        },
      })
      const calls = Array.from({ length: 200 }, (_, offset) =>
        remote.read({ topicId: 't', partition: 0, offset, maxBytes: 1 }),
      )
      const ends = (await Promise.all(calls)).map(({ endOffset }) => endOffset)
      equal(
        ends,
        calls.map((_, at) => at),
        'the answers',
      )
    },
  ),

  transportCase('calls that a caller makes one after the other arrive in that order', async ({ serve }) => {
    const arrived: number[] = []
    const { remote } = await serve({
      renewLock: async ({ token }) => void arrived.push(token),
      releaseLock: async ({ token }) => void arrived.push(token),
    })
    for (let token = 0; token < 60; token++) {
      await (token % 2 === 0 ? remote.renewLock : remote.releaseLock)({ name: 'l', token })
    }
    equal(
      arrived,
      Array.from({ length: 60 }, (_, at) => at),
      'the order',
    )
  }),
]

function crossing({ method, what, request, answer }: Sample): TransportConformanceCase {
  return transportCase(`${method}${what ? ` ${what}` : ''} crosses as it was given`, async ({ serve }) => {
    const arrived: unknown[] = []
    const respond = async (...args: unknown[]) => {
      if (request !== undefined) arrived.push(args[0])
      return answer
    }
    const { remote } = await serve({ [method]: respond } as Partial<BrokerService>)
    const call = remote[method] as (request?: object) => Promise<unknown>
    const found = await (request === undefined ? call() : call(request))
    equal(found, answer, 'the answer')
    if (request === undefined) return
    ensure(arrived.length > 0, 'the call arrived')
    // Which number names a receive is the transport's to say.
    const named = method === 'receive' ? { ...(arrived[0] as object), id: undefined } : arrived[0]
    equal(named, request, 'the request')
  })
}
