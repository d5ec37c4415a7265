import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { LeaseKey } from '../../src/core/entry-body.js'
import type { SettleOutcome } from '../../src/protocol/service.js'
import { CONSUMERS, Rig, rangesOf } from './queue-model/rig.js'

const GROUPS = ['g', 'h'] as const
const group = fc.constantFrom(...GROUPS)
const consumer = fc.constantFrom(...CONSUMERS)
const some = fc.nat(1_000)
const outcome = fc.constantFrom<SettleOutcome>('ack', 'ack', 'nack', 'reject', 'extend', 'release')
const bytes = fc.constantFrom(1, 20, 100, Number.MAX_SAFE_INTEGER)

const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('produce' as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('produceIds' as const),
      ids: fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }), {
        minLength: 1,
        maxLength: 5,
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('sequence' as const),
      back: fc.nat(4),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      group,
      asks: fc.array(fc.record({ consumer, max: fc.integer({ min: 1, max: 7 }), bytes }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('acquireSuspect' as const), group, consumer }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      group,
      requests: fc.array(
        fc.record({
          lease: some,
          mask: fc.integer({ min: 1, max: 255 }),
          outcome,
          second: fc.option(fc.record({ mask: fc.integer({ min: 1, max: 255 }), outcome }), {
            nil: undefined,
          }),
          delay: fc.option(fc.nat(500), { nil: undefined }),
          numbered: fc.boolean(),
          stale: fc.constantFrom('no', 'no', 'no', 'consumer', 'generation', 'token'),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('endLease' as const), group, lease: some }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('bury' as const), group, max: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('trim' as const),
      reason: fc.constantFrom('consumed' as const, 'age' as const, 'bytes' as const),
      below: some,
      age: fc.nat(3_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('start' as const), group, at: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), group }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('limits' as const),
      window: fc.constantFrom(0, 300, 5_000),
      ids: fc.nat(4),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance' as const), by: fc.nat(1_500) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('epoch' as const) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never
type SettleSpec = Extract<Operation, { do: 'settle' }>['requests'][number]

/** Numbers what it sends, so that requests and sequences go on from one operation to the next. */
class Player {
  readonly #rig: Rig
  #request = 0
  #sequence = 0

  constructor(rig: Rig) {
    this.#rig = rig
  }

  play(one: Operation): void {
    const rig = this.#rig
    switch (one.do) {
      case 'produce':
        return rig.produce(
          '',
          0,
          Array.from({ length: one.count }, () => undefined),
        )
      case 'produceIds':
        return rig.produce('', 0, one.ids)
      case 'sequence': {
        // Goes back at times: a retry, whole or in part (invariant 14).
        const base = Math.max(0, this.#sequence - one.back)
        this.#sequence = Math.max(this.#sequence, base + one.count)
        return rig.produce(
          'p',
          base,
          Array.from({ length: one.count }, () => undefined),
        )
      }
      case 'acquire':
        return rig.acquire(one.group, one.asks)
      case 'acquireSuspect':
        return rig.acquireSuspect(one.group, one.consumer)
      case 'settle': {
        const requests = one.requests.map((spec) => this.#settle(one.group, spec))
        return rig.settle(requests.filter((request) => request !== undefined))
      }
      case 'endLease': {
        const lease = pick(rig.leases(one.group), one.lease)
        return lease && rig.endLease(one.group, lease.token)
      }
      case 'bury':
        return rig.bury(one.group, one.max)
      case 'trim':
        return rig.trim(one.reason, one.below % (rig.state.nextIndex + 1), Math.max(0, rig.now - one.age))
      case 'start':
        return rig.startGroup(one.group, one.at % (rig.state.nextOffset + 1))
      case 'delete':
        return rig.deleteGroup(one.group)
      case 'limits':
        return rig.limits(one.window, one.ids)
      case 'advance':
        rig.now += one.by
        return
      case 'snapshot':
        return rig.snapshot()
      case 'reopen':
        return rig.reopen()
      case 'epoch':
        return rig.epoch()
    }
  }

  #settle(group: string, spec: SettleSpec): Parameters<Rig['settle']>[0][number] | undefined {
    const lease = pick(this.#rig.leases(group), spec.lease)
    const model = this.#rig.groups.get(group)
    if (!lease || !model) return undefined
    const token: LeaseKey =
      spec.stale === 'token' ? { ...lease.token, slot: lease.token.slot + 7 } : lease.token
    const part = ({ mask, outcome }: { mask: number; outcome: SettleOutcome }) => ({
      token,
      outcome,
      // Masked, and one past the lease: some of it was never held.
      ranges: rangesOf([...lease.offsets, 1_000_000].filter((_, at) => (mask >> (at % 8)) & 1)),
      delay: spec.delay,
      reason: 'because',
    })
    return {
      group,
      generation: model.generation - (spec.stale === 'generation' ? 1 : 0),
      consumer: spec.stale === 'consumer' ? 'somebody' : lease.consumer,
      isHeard: true,
      number: spec.numbered ? this.#request++ : undefined,
      parts: spec.second ? [part(spec), part(spec.second)] : [part(spec)],
    }
  }
}

function pick<T>(list: readonly T[], at: number): T | undefined {
  return list[at % Math.max(1, list.length)]
}

function run(operations: readonly Operation[], deadLetter: string | false): void {
  const rig = new Rig({
    order: 'none',
    maxDeliveries: 3,
    backoff: { initial: 100, max: 1_000, factor: 2, jitter: 0.5 },
    deadLetter,
  })
  const player = new Player(rig)
  rig.epoch()
  rig.startGroup('g', 0)
  for (const one of operations) {
    player.play(one)
    rig.check()
  }
  rig.replayAll()
  rig.reopen()
}

describe('a queue, against a model that knows the place of each message (invariants 17, 18, 19, 24, 25)', () => {
  const length = { minLength: 1, maxLength: 80, size: 'max' as const }

  it('does what the model does, whatever the operations, and comes back the same from any snapshot', () => {
    fc.assert(
      fc.property(fc.array(operation, length), (operations) => run(operations, 'dead')),
      { numRuns: 400 },
    )
  })

  it('does so without a dead-letter topic', () => {
    fc.assert(
      fc.property(fc.array(operation, length), (operations) => run(operations, false)),
      { numRuns: 100 },
    )
  })
})
