import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  BrokerService,
  CallOptions,
  LockName,
  ReceiveResponse,
  SettleRequest,
} from '../../protocol/service.js'
import { received, receiveRequest } from './samples.js'
import {
  ensure,
  equal,
  rejection,
  signpost,
  type TransportConformanceCase,
  transportCase,
} from './support.js'

const readRequest = { topicId: 't', partition: 0, offset: 5, maxBytes: 1 }

/** Sleeping calls: how they end, and who hears of it. */
export const waitCases: readonly TransportConformanceCase[] = [
  ...([undefined, Number.POSITIVE_INFINITY] as const).map((wait) =>
    transportCase(
      `a wait of ${wait} ends with an answer, in however many parts it is asked`,
      async ({ serve }) => {
        const route = { topicId: 't', name: 'n', partitions: 1, maxMessageBytes: 1 }
        const { remote } = await serve({
          receive: inParts(received, { deliveries: [] }),
          acquireLock: inParts({ token: 4 }, undefined),
          findTopic: inParts(route, new PortalError('TOPIC_NOT_FOUND', 'Not yet.')),
          read: inParts(
            { batches: [], nextOffset: 6, endOffset: 6 },
            { batches: [], nextOffset: 5, endOffset: 5 },
          ),
        })
        equal(await remote.receive({ ...receiveRequest, wait }), received, 'what was received')
        equal(await remote.acquireLock({ name: 'l', ttl: 9, wait }), { token: 4 }, 'the lock')
        if (wait === undefined) return
        equal(await remote.findTopic({ name: 'n', wait }), route, 'the topic')
        const { nextOffset } = await remote.read({ ...readRequest, wait })
        equal(nextOffset, 6, 'what was read')
      },
    ),
  ),

  transportCase('a wait without end may take long at the service', async ({ serve }) => {
    const asleep = signpost()
    const wake = signpost()
    const { remote } = await serve({
      receive: async () => {
        asleep.pass()
        await wake.reached
        return received
      },
    })
    const call = remote.receive({ ...receiveRequest, wait: undefined })
    await asleep.reached
    wake.pass()
    equal(await call, received, 'what was received')
  }),

  ...(['read', 'describeCluster', 'produce', 'settle'] as const).map((name) =>
    transportCase(`an abort ends the wait of ${name}, and the service hears of it`, async ({ serve }) => {
      const asleep = signpost()
      const told = signpost()
      const sleep = (...args: unknown[]) => {
        const { signal } = (name === 'describeCluster' ? args[0] : args[1]) as CallOptions
        signal!.addEventListener('abort', () => told.pass())
        asleep.pass()
        return new Promise<never>(() => {})
      }
      const { remote } = await serve({ [name]: sleep } as Partial<BrokerService>)
      const controller = new AbortController()
      const { signal } = controller
      const call = {
        read: () => remote.read({ ...readRequest, wait: 20_000 }, { signal }),
        describeCluster: () => remote.describeCluster({ signal }),
        produce: () => remote.produce({ acks: 'all', batches: [] }, { signal }),
        settle: () =>
          remote.settle(
            { topicId: 't', group: 'g', generation: 1, consumer: 'c', settlements: [] },
            { signal },
          ),
      }[name]()
      await asleep.reached
      controller.abort('enough')
      const error = await rejection(call, 'ABORTED', 'the call')
      equal([error.name, error.cause], ['AbortError', 'enough'], 'its name and cause')
      await told.reached
    }),
  ),

  transportCase('a call whose signal has aborted before does not arrive', async ({ serve }) => {
    let calls = 0
    const count = async () => {
      calls++
      return [] as never
    }
    const { remote } = await serve({ listTopics: count, receive: count, acquireLock: count })
    const options = { signal: AbortSignal.abort('before') }
    for (const call of [
      remote.listTopics(options),
      remote.receive(receiveRequest, options),
      remote.acquireLock({ name: 'l', ttl: 9 }, options),
    ]) {
      const { cause } = await rejection(call, 'ABORTED', 'the call')
      equal(cause, 'before', 'its cause')
    }
    equal(calls, 0, 'the calls that arrived')
  }),

  transportCase('an abort after the answer changes nothing', async ({ serve }) => {
    const { remote } = await serve({ listTopics: async () => [], receive: async () => received })
    const controller = new AbortController()
    equal(await remote.receive(receiveRequest, controller), received, 'what was received')
    controller.abort()
    equal(await remote.listTopics(), [], 'the next call')
  }),

  ...[true, false].map((canEnd) => {
    const name = `leases that cross an abort reach the caller, or are given back${canEnd ? '' : ', also by a service that cannot be asked to end a receive'}`
    return transportCase(name, async ({ serve }) => {
      const asleep = signpost()
      const ended = signpost()
      const released = signpost<SettleRequest>()
      const refuse = () => Promise.reject(new PortalError('UNSUPPORTED', 'Receives end by themselves.'))
      const { remote } = await serve({
        receive: (_, call) =>
          Promise.race([whenAborted(call, asleep.pass, received), ended.reached.then(() => received)]),
        endReceive: canEnd ? async () => ended.pass() : refuse,
        settle: async (request) => {
          released.pass(request)
          return { lost: request.settlements.map(() => []) }
        },
      })
      const controller = new AbortController()
      const call = remote.receive({ ...receiveRequest, wait: undefined }, controller)
      const outcome = call.catch((error: unknown) => error)
      await asleep.reached
      controller.abort()
      await expectGivenBack(await outcome, released.reached)
    })
  }),

  transportCase('a lock that crosses an abort reaches the caller, or is released', async ({ serve }) => {
    const asleep = signpost()
    const released = signpost<LockName>()
    const { remote } = await serve({
      acquireLock: (_, call) => whenAborted(call, asleep.pass, { token: 12 }),
      releaseLock: async (request) => released.pass(request),
    })
    const controller = new AbortController()
    const outcome = remote.acquireLock({ name: 'l', ttl: 9 }, controller).catch((error: unknown) => error)
    await asleep.reached
    controller.abort()
    const found = await outcome
    if (!isPortalError(found)) return equal(found, { token: 12 }, 'the lock')
    equal(found.code, 'ABORTED', 'the error')
    equal(await released.reached, { name: 'l', token: 12 }, 'the lock that is released')
  }),

  transportCase('a call is not repeated by the transport', async ({ serve }) => {
    let calls = 0
    const { remote } = await serve({
      describeCluster: async () => {
        calls++
        throw new PortalError('DISCONNECTED', 'Another broker is away.')
      },
    })
    const error = await rejection(remote.describeCluster(), 'DISCONNECTED', 'the call')
    ensure(error.retriable, 'its caller may repeat it')
    equal(calls, 1, 'the calls that arrived')
  }),
]

/** A receive that was aborted has either its leases, or its service has them back. */
async function expectGivenBack(outcome: unknown, released: Promise<SettleRequest>): Promise<void> {
  if (!isPortalError(outcome)) return equal(outcome, received, 'what was received')
  equal(outcome.code, 'ABORTED', 'the error')
  const { topicId, group, generation, consumer } = receiveRequest
  const expected = received.deliveries.map(({ partition, token, batches }) => {
    return { partition, token, outcome: 'release', ranges: batches.flatMap((batch) => batch.ranges) }
  })
  const { settlements, ...rest } = await released
  equal(rest, { topicId, group, generation, consumer }, 'whose leases are given back')
  const holdSomething = ({ ranges }: { readonly ranges: readonly number[] }) => ranges.length > 0
  equal(settlements.filter(holdSomething), expected.filter(holdSomething), 'the leases that are given back')
}

/** A sleeping method that, when asked for a limited time, has nothing the first two times. */
function inParts<T>(answer: T, nothing: T | PortalError): () => Promise<T> {
  let empty = 2
  return async (...args: unknown[]) => {
    const { wait } = args[0] as { wait?: number }
    const isLimited = wait !== undefined && wait !== Number.POSITIVE_INFINITY
    if (!isLimited || empty-- === 0) return answer
    if (isPortalError(nothing)) throw nothing
    return nothing as T
  }
}

/** A service that grants at the very moment in which the wait ends. */
function whenAborted<T extends ReceiveResponse | { token: number }>(
  call: CallOptions | undefined,
  asleep: () => void,
  grant: T,
): Promise<T> {
  return new Promise((resolve) => {
    call!.signal!.addEventListener('abort', () => resolve(grant))
    asleep()
  })
}
