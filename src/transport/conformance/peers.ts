import { ERROR_CODES, isPortalError, PortalError } from '../../core/errors.js'
import type { FetchPosition, FetchRequest, PeerService } from '../../protocol/peer-service.js'
import type { CallOptions } from '../../protocol/service.js'
import { entry, fetchRequest, type PeerSample, peerSamples, sender } from './peer-samples.js'
import { receiveRequest } from './samples.js'
import {
  bytes,
  ensure,
  equal,
  rejection,
  signpost,
  type TransportConformanceCase,
  transportCase,
} from './support.js'

const MESSAGE = 'Partition ‘orders/3’ said no:\n\t"why?" 100 % \\ 🙂'
const MOST_BYTES = 16 << 20
const handOver = { ...sender, topicId: 't', partition: 0, epoch: 1, to: sender.from }
const append = { ...sender, topicId: 't', partition: 0, records: bytes(9) }

/** What brokers say to each other, and calls of clients that they pass on. */
export const peerCases: readonly TransportConformanceCase[] = [
  ...peerSamples.map(crossing),

  transportCase('10,000 positions cross, and as many results', async ({ serve }) => {
    const partitions = Array.from(
      { length: 10_000 },
      (_, at): FetchPosition => ({
        topicId: `topic-${at % 7 === 0 ? at : at % 3}`,
        partition: at,
        epoch: at % 5,
        next: at * 1_000,
        lastEpoch: (at % 5) - 1,
        highWatermark: at * 999,
        round: 3,
        documentVersion: 2,
      }),
    )
    let arrived: FetchRequest | undefined
    const { peer } = await serve(
      {},
      {
        fetch: async (request) => {
          arrived = request
          return {
            results: request.partitions.map(({ topicId, partition, next }) => {
              return {
                topicId,
                partition,
                type: 'entries',
                entries: [entry(next, bytes(8, next))],
                highWatermark: next,
                round: 3,
                documentVersion: 2,
              }
            }),
          }
        },
      },
    )
    const { results } = await peer.fetch({ ...fetchRequest, partitions })
    equal(arrived?.partitions, partitions, 'the positions')
    equal(results.length, partitions.length, 'how many results there are')
    results.forEach((result, at) => {
      const { topicId, partition, next } = partitions[at]!
      const wanted = {
        topicId,
        partition,
        type: 'entries',
        entries: [entry(next, bytes(8, next))],
        highWatermark: next,
        round: 3,
        documentVersion: 2,
      }
      equal(result, wanted, `result ${at}`)
    })
  }),

  transportCase('answers of 16 MiB cross between brokers, and a larger entry alone', async ({ serve }) => {
    const large = bytes(MOST_BYTES / 4, 5)
    const largest = bytes(MOST_BYTES + 99, 7)
    const asked: number[] = []
    const { peer } = await serve(
      {},
      {
        fetch: async ({ maxBytes }) => {
          asked.push(maxBytes)
          const entries =
            asked.length === 1 ? [0, 1, 2, 3].map((at) => entry(at, large)) : [entry(4, largest)]
          return {
            results: [
              {
                topicId: 't',
                partition: 0,
                type: 'entries',
                entries,
                highWatermark: 0,
                round: 3,
                documentVersion: 2,
              },
            ],
          }
        },
        readSnapshot: async () => ({
          index: 1,
          epoch: 1,
          header: bytes(1),
          pageIds: [1, 2],
          pages: [large, large],
        }),
      },
    )
    const ask = async () => {
      const [result] = (await peer.fetch({ ...fetchRequest, maxBytes: 1 << 30 })).results
      return result?.type === 'entries' ? result.entries.map(({ payload }) => payload) : []
    }
    equal(await ask(), [large, large, large, large], 'the payloads')
    equal(await ask(), [largest], 'the payload that is larger')
    equal(asked, [MOST_BYTES, MOST_BYTES], 'the bytes that are asked for')
    const slice = await peer.readSnapshot({
      ...sender,
      topicId: 't',
      partition: 0,
      epoch: 1,
      fromPage: 0,
      maxBytes: 1,
    })
    equal(slice.pages, [large, large], 'the pages')
  }),

  transportCase('a batch of 33 MiB crosses between brokers, and is not changed', async ({ serve }) => {
    const records = new Uint8Array(33 << 20).fill(3)
    let arrived: Uint8Array | undefined
    const { peer } = await serve(
      {},
      {
        append: async (request) => {
          arrived = request.records
        },
      },
    )
    await peer.append({ ...append, records })
    equal(arrived, records, 'the records')
    ensure(
      records.every((byte) => byte === 3),
      'the records of the caller are as they were',
    )
  }),

  ...ERROR_CODES.map((code) =>
    transportCase(`${code} crosses between brokers, of a call and of one partition`, async ({ serve }) => {
      for (const retriable of [undefined, true, false]) {
        const error = new PortalError(code, MESSAGE, { retriable })
        const name = { topicId: 't', partition: 0 }
        const { peer } = await serve(
          {},
          {
            fetch: async () => ({
              results: [
                { ...name, type: 'error', error },
                { ...name, type: 'behind' },
              ],
            }),
            append: () => Promise.reject(error),
            handOver: () => Promise.reject(error),
          },
        )
        // The caller is open: it is the other one that is not.
        const there = code === 'CLOSED' ? 'DISCONNECTED' : code
        for (const call of [peer.append(append), peer.handOver(handOver)]) {
          const found = await rejection(call, there, `a call that fails with ${code}`)
          ensure(found.message.includes(MESSAGE), 'the message holds what was said')
          const again = error.retriable || code === 'CLOSED' || code === 'STORAGE_FAILED'
          equal(found.retriable, again, 'whether it may be retried')
        }
        const [first, second] = (await peer.fetch(fetchRequest)).results
        if (first?.type !== 'error') throw new Error('The result of one partition is no error.')
        equal([first.error.code, first.error.message], [there, MESSAGE], 'the error of one partition')
        ensure(isPortalError(first.error), 'it is a PortalError')
        equal(second?.type, 'behind', 'the result after it')
      }
    }),
  ),

  transportCase('a fault of a broker ends the call of the other, and it alone', async ({ serve }) => {
    const { peer } = await serve(
      {},
      {
        fetch: () => Promise.reject(new TypeError('a fault')),
        append: () => {
          throw new TypeError('a fault')
        },
        update: async () => ({ removed: [] }),
      },
    )
    for (const call of [peer.fetch(fetchRequest), peer.append(append)])
      await rejection(call, 'STORAGE_FAILED', 'the call')
    equal(await peer.update({ ...sender, ...unsent, documents: [] }), { removed: [] }, 'the call after it')
  }),

  transportCase('what cannot be said between brokers rejects with INVALID_ARGUMENT', async ({ serve }) => {
    let calls = 0
    const { peer } = await serve(
      {},
      {
        fetch: async () => {
          calls++
          return { results: [] }
        },
      },
    )
    const [position] = fetchRequest.partitions
    for (const request of [
      { ...fetchRequest, wait: Number.POSITIVE_INFINITY },
      { ...fetchRequest, maxBytes: -1 },
      { ...fetchRequest, partitions: [{ ...position!, epoch: 0.5 }] },
    ])
      await rejection(peer.fetch(request), 'INVALID_ARGUMENT', 'the call')
    equal(calls, 0, 'the calls that arrived')
  }),

  ...(['fetch', 'update', 'append'] as const).map((name) =>
    transportCase(
      `an abort ends the wait of a broker in ${name}, and the other hears of it`,
      async ({ serve }) => {
        const asleep = signpost()
        const told = signpost()
        const sleep = (_: unknown, call?: CallOptions) => {
          call!.signal!.addEventListener('abort', () => told.pass())
          asleep.pass()
          return new Promise<never>(() => {})
        }
        const { peer } = await serve({}, { [name]: sleep } as Partial<PeerService>)
        const controller = new AbortController()
        const call = {
          fetch: () => peer.fetch({ ...fetchRequest, wait: 20_000 }, controller),
          update: () => peer.update({ ...sender, ...unsent, documents: [] }, controller),
          append: () => peer.append(append, controller),
        }[name]()
        await asleep.reached
        controller.abort('enough')
        const error = await rejection(call, 'ABORTED', 'the call')
        equal([error.name, error.cause], ['AbortError', 'enough'], 'its name and cause')
        await told.reached
      },
    ),
  ),

  transportCase(
    'a call between brokers whose signal has aborted before does not arrive',
    async ({ serve }) => {
      let calls = 0
      const { peer } = await serve(
        {},
        {
          append: async () => {
            calls++
          },
        },
      )
      const error = await rejection(
        peer.append(append, { signal: AbortSignal.abort('before') }),
        'ABORTED',
        'the call',
      )
      equal([error.cause, calls], ['before', 0], 'its cause, and the calls that arrived')
    },
  ),

  transportCase('a fetch sleeps at the other broker beside 50 calls', async ({ serve }) => {
    const wake = signpost()
    const asleep = signpost()
    const { peer } = await serve(
      {},
      {
        fetch: async () => {
          asleep.pass()
          await wake.reached
          return { results: [{ topicId: 't', partition: 0, type: 'behind' }] }
        },
        handOver: async () => {},
      },
    )
    const sleeping = peer.fetch({ ...fetchRequest, wait: 20_000 })
    await asleep.reached
    await Promise.all(Array.from({ length: 50 }, () => peer.handOver(handOver)))
    wake.pass()
    equal((await sleeping).results.length, 1, 'the results of the one that slept')
  }),

  transportCase(
    'a broker that stops listening is DISCONNECTED to others, in their calls and after',
    async ({ serve, transport }) => {
      const asleep = signpost()
      const { peer, listener } = await serve(
        {},
        {
          fetch: () => {
            asleep.pass()
            return new Promise<never>(() => {})
          },
          handOver: async () => {},
        },
      )
      await peer.handOver(handOver)
      const call = rejection(
        peer.fetch({ ...fetchRequest, wait: 20_000 }),
        'DISCONNECTED',
        'the call under way',
      )
      await asleep.reached
      await listener.close()
      ensure((await call).retriable, 'it may be tried again')
      for (const late of [peer, transport.connectPeer(listener.address)])
        await rejection(late.handOver(handOver), 'DISCONNECTED', 'a call after the close')
    },
  ),

  transportCase('a broker in no cluster answers other brokers with UNSUPPORTED', async ({ serve }) => {
    const { peer, remote } = await serve({ listTopics: async () => [] })
    await rejection(peer.fetch(fetchRequest), 'UNSUPPORTED', 'the call of a broker')
    equal(await remote.listTopics(), [], 'the call of a client')
  }),

  transportCase(
    'a call that is passed on is known for one, and no other is',
    async ({ serve, transport }) => {
      const calls: (CallOptions | undefined)[] = []
      const { remote, listener } = await serve(
        {
          describeTopic: async (_, call) => void calls.push(call) as never,
          listTopics: async (call) => {
            calls.push(call)
            return []
          },
          receive: async (_, call) => {
            calls.push(call)
            return { deliveries: [] }
          },
          async *receiveStream(_, call) {
            calls.push(call)
            yield { deliveries: [] }
          },
        },
        {},
      )
      const refuse = () => {
        throw new PortalError('FORBIDDEN', 'It is asked where the call comes from, not where it goes.')
      }
      const seen = async (at: typeof remote): Promise<unknown> => {
        calls.length = 0
        await at.describeTopic({ name: 'orders' }, { authorize: refuse }).catch(() => {})
        await at.listTopics({ authorize: refuse })
        await at.receive({ ...receiveRequest, wait: 0 }, { authorize: refuse })
        const credit = { messages: 1, bytes: 1 }
        for await (const _ of at.receiveStream({ ...receiveRequest, stream: 's', credit })) break
        return calls.map((call) => call?.forwarded === true)
      }
      equal(await seen(remote), [false, false, false, false], 'calls of a client')
      equal(
        await seen(transport.connectForwarding(listener.address)),
        [true, true, true, true],
        'calls passed on',
      )
      ensure(
        calls.every((call) => call?.authorize === undefined),
        'what is passed on is not asked again',
      )
    },
  ),

  transportCase(
    'a broker that stops is DISCONNECTED to who passes calls on',
    async ({ serve, transport }) => {
      const fail = () => Promise.reject(new PortalError('CLOSED', MESSAGE))
      const { listener } = await serve({ listTopics: fail, describeTopic: fail }, {})
      const remote = transport.connectForwarding(listener.address)
      for (const call of [remote.listTopics(), remote.describeTopic({ name: 'orders' })])
        ensure((await rejection(call, 'DISCONNECTED', 'the call')).retriable, 'it may be tried again')
    },
  ),
]

/** What these cases do not look at. */
const unsent = { to: sender.from, term: 1, sequence: 1 }

function crossing({ method, what, request, answer }: PeerSample): TransportConformanceCase {
  return transportCase(
    `${method}${what ? ` ${what}` : ''} crosses between brokers as it was given`,
    async ({ serve }) => {
      const arrived: unknown[] = []
      const respond = async (given: unknown) => {
        arrived.push(given)
        return answer
      }
      const { peer } = await serve({}, { [method]: respond } as Partial<PeerService>)
      const call = peer[method] as (request: object) => Promise<unknown>
      equal(await call(request), answer, 'the answer')
      equal(arrived, [request], 'the request')
    },
  )
}
