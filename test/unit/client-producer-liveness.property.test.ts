import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Producer } from '../../src/client/producer/producer.js'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerService, ProduceResponse } from '../../src/protocol/service.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { fakeConnection, watch } from './client-support/fake-connection.js'
import { FakeLog } from './client-support/fake-log.js'

const DELIVERY_TIMEOUT = 2_000

/** What a service does with one call. `late`: it takes its time, longer than a producer has, too. */
type Fate =
  | { readonly kind: 'never' }
  | { readonly kind: 'refused' | 'answer lost'; readonly after: number; readonly code: Code }
  | { readonly kind: 'half an answer' | 'well'; readonly after: number }

const CODES = [
  'DISCONNECTED',
  'NOT_LEADER',
  'NOT_ENOUGH_REPLICAS',
  'TOPIC_NOT_FOUND',
  'TIMEOUT',
  'STORAGE_FAILED',
  'SEQUENCE_REFUSED',
  'CORRUPT',
] as const
type Code = (typeof CODES)[number]

const after = fc.oneof(
  { weight: 3, arbitrary: fc.nat(20) },
  { weight: 1, arbitrary: fc.nat(DELIVERY_TIMEOUT * 2) },
)
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Fate>({ kind: 'never' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('refused' as const, 'answer lost' as const),
      after,
      code: fc.constantFrom(...CODES),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('half an answer' as const, 'well' as const), after }),
  },
)

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('send' as const),
      topic: fc.constantFrom('a', 'b'),
      partition: fc.option(fc.nat(2), { nil: undefined }),
      bytes: fc.constantFrom(1, 300, 900),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('recreate' as const) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('pass' as const), milliseconds: fc.nat(1_500) }) },
)

/** A log whose calls have the fates that were drawn, in their order, and go well after those. */
function fateful(log: FakeLog, fates: Fate[], elapse: (milliseconds: number) => Promise<void>) {
  const meet = async <T>(call: () => Promise<T>, half: (value: T) => T): Promise<T> => {
    const next = fates.shift() ?? { kind: 'well', after: 1 }
    if (next.kind === 'never') return new Promise<T>(() => {})
    const carriedOut = next.kind === 'refused' ? undefined : await call()
    await elapse(next.after)
    if (next.kind === 'refused' || next.kind === 'answer lost')
      throw new PortalError(next.code, `It is ${next.kind}.`)
    return next.kind === 'half an answer' ? half(carriedOut!) : carriedOut!
  }
  const { produce, findTopic } = log.service as BrokerService
  const service: Partial<BrokerService> = {
    findTopic: (request) =>
      meet(
        () => findTopic(request),
        (route) => route,
      ),
    produce: (request) => meet(() => produce(request), halfOf),
  }
  return service
}

/** Of the last batch it says what became of its first message only. */
function halfOf({ results }: ProduceResponse): ProduceResponse {
  const last = results.at(-1)
  if (last === undefined || last.error !== undefined) return { results: results.slice(0, -1) }
  return { results: [...results.slice(0, -1), { runs: last.runs.slice(0, 3) }] }
}

describe('whatever the service does', () => {
  it('every send settles within its delivery timeout, every flush and close with them, and what comes later is sent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 30 }),
        fc.array(action, { minLength: 1, maxLength: 30 }),
        async (fates, actions) => {
          const runtime = virtualRuntime()
          const elapse = (milliseconds: number) =>
            new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, milliseconds))
          const log = new FakeLog()
          log.partitions = 3
          const connection = fakeConnection(fateful(log, [...fates], elapse), runtime)
          const producer = new Producer(connection, {
            deliveryTimeout: DELIVERY_TIMEOUT,
            bufferBytes: 2_000,
            maxInFlight: 3,
          })
          const now = () => runtime.clock.monotonic()
          const late: string[] = []
          let left = 0
          const timed = (what: string, promise: Promise<unknown>) => {
            const since = now()
            left++
            const settled = () => {
              left--
              if (now() - since > DELIVERY_TIMEOUT + 1) late.push(`${what} took ${now() - since} ms`)
            }
            promise.then(settled, settled)
          }
          for (const one of actions) {
            if (one.what === 'pass') await runtime.advance(one.milliseconds)
            else if (one.what === 'flush') timed('a flush', producer.flush())
            else if (one.what === 'recreate') {
              log.topicId += '+'
              log.stored.clear()
            } else {
              const { topic, partition, bytes, count } = one
              for (let at = 0; at < count; at++)
                timed('a send', producer.send(topic, 'x'.repeat(bytes), { partition }))
            }
          }
          timed('the last flush', producer.flush())
          await runtime.advance(DELIVERY_TIMEOUT + 2)
          expect({ late, left }).toEqual({ late: [], left: 0 })
          // All fates are over now, or never will be: a producer that still lives sends.
          const end = watch(producer.send('c', 'the end'))
          const again = watch(producer.send('a', 'the end'))
          const closed = watch(producer.close())
          await runtime.advance(DELIVERY_TIMEOUT + 2)
          expect({ end: end.settled, again: again.settled, closed: closed.settled }).toEqual({
            end: true,
            again: true,
            closed: true,
          })
        },
      ),
      { numRuns: 300 },
    )
  })
})
