import { ERROR_CODES, type ErrorCode, isPortalError, PortalError } from '../../core/errors.js'
import { receiveRequest } from './samples.js'
import {
  ensure,
  equal,
  rejection,
  type Served,
  type TransportConformanceCase,
  transportCase,
} from './support.js'

const MESSAGE = 'Topic ‘orders’ said no:\n\t"why?" 100 % \\ 🙂'

/** `network`: a broker that stops is, for who is elsewhere, a bad connection. */
export function errorCases(network: boolean): TransportConformanceCase[] {
  return [
    ...ERROR_CODES.map((code) =>
      transportCase(`${code} crosses with its message and whether it may be retried`, async ({ serve }) => {
        for (const retriable of [undefined, true, false]) {
          const error = new PortalError(code, MESSAGE, { retriable })
          const fail = () => Promise.reject(error)
          await expectError(await serve({ describeTopic: fail, receive: fail }), error, network)
        }
      }),
    ),

    ...ERROR_CODES.map((code) =>
      transportCase(`${code} crosses as the outcome of one batch`, async ({ serve }) => {
        const errors = [
          new PortalError(code, MESSAGE),
          new PortalError(code, MESSAGE, { retriable: true }),
          new PortalError(code, MESSAGE, { retriable: false }),
        ]
        const given = [{ runs: [1, 2, 0] }, ...errors.map((error) => ({ error }))]
        const { remote } = await serve({ produce: async () => ({ results: given }) })
        const { results } = await remote.produce({ acks: 'all', batches: [] })
        equal(results[0], given[0], 'the outcome that was good')
        equal(results.length, given.length, 'how many outcomes there are')
        errors.forEach((error, at) => expectSame(results[at + 1]?.error, error, network))
      }),
    ),

    transportCase(
      'a topic that is not there is said to be missing at the end of the wait',
      async ({ serve }) => {
        const { remote } = await serve({
          findTopic: () => Promise.reject(new PortalError('TOPIC_NOT_FOUND', MESSAGE)),
        })
        for (const wait of [undefined, 0, 50]) {
          const { message } = await rejection(
            remote.findTopic({ name: 'orders', wait }),
            'TOPIC_NOT_FOUND',
            'findTopic',
          )
          equal(message, MESSAGE, 'the message')
        }
      },
    ),

    transportCase('a fault of the service ends the call, and it alone', async ({ serve }) => {
      const { remote } = await serve({
        describeCluster: () => Promise.reject(new TypeError('a fault')),
        listTopics: () => {
          throw new TypeError('a fault')
        },
        listGroups: async () => [],
      })
      for (const call of [remote.describeCluster(), remote.listTopics()]) {
        const error = await call.then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        ensure(error instanceof Error, 'the call rejects with an error')
      }
      equal(await remote.listGroups({ topic: 'orders' }), [], 'the call after it')
    }),

    transportCase(
      'what cannot be sent rejects with INVALID_ARGUMENT, and nothing else happens',
      async ({ serve }) => {
        const refuse = async () => {
          throw new PortalError('INVALID_ARGUMENT', 'It is no position.')
        }
        const { remote } = await serve({ findOffset: refuse, seekGroup: refuse, joinGroup: refuse })
        const group = { topic: 'orders', group: 'billing' }
        for (const time of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
          const calls = [
            () => remote.findOffset({ topicId: 't', partition: 0, at: { time } }),
            () => remote.seekGroup({ ...group, to: { time } }),
            () => remote.joinGroup({ ...group, settings: {}, from: { time }, create: true }),
          ]
          for (const call of calls) await rejection(rejecting(call), 'INVALID_ARGUMENT', `the time ${time}`)
        }
        for (const offset of [-1, 0.5, Number.NaN]) {
          const calls = [
            () => remote.findOffset({ topicId: 't', partition: 0, at: { offset } }),
            () => remote.seekGroup({ ...group, to: { offset } }),
          ]
          for (const call of calls)
            await rejection(rejecting(call), 'INVALID_ARGUMENT', `the offset ${offset}`)
        }
      },
    ),
  ]
}

/** A call never throws: whoever makes it need not look for errors in two places. */
function rejecting(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(new Error('The call threw instead of rejecting.', { cause: error }))
  }
}

async function expectError({ remote }: Served, error: PortalError, network: boolean): Promise<void> {
  for (const call of [remote.describeTopic({ name: 'orders' }), remote.receive(receiveRequest)]) {
    const found = await rejection(call, codeThere(error, network), `a call that fails with ${error.code}`)
    expectSame(found, error, network)
  }
}

function codeThere({ code }: PortalError, network: boolean): ErrorCode {
  return network && code === 'CLOSED' ? 'DISCONNECTED' : code
}

/** Ensures that what was found is the error, as it is to be taken where it arrives. */
function expectSame(found: unknown, error: PortalError, network: boolean): void {
  if (!isPortalError(found)) throw new Error(`Expected a PortalError, found ${String(found)}.`)
  const code = codeThere(error, network)
  equal(found.code, code, 'its code')
  equal(found.name, code === 'ABORTED' ? 'AbortError' : 'PortalError', 'its name')
  if (code !== error.code) {
    ensure(found.retriable, 'another broker may answer')
    ensure(found.message.includes(MESSAGE), 'the message holds what was said')
    return
  }
  equal(found.message, MESSAGE, 'its message')
  // A storage that failed ends its broker; whoever is elsewhere may ask again when it is back.
  const isRetriable = error.retriable || (network && code === 'STORAGE_FAILED')
  equal(found.retriable, isRetriable, 'whether it may be retried')
}
