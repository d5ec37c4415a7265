import { describe, expect, it } from 'vitest'
import { keptSeeds } from './kept-seeds.js'
import { type Outcome, report, simulate, type Task } from './simulate.js'

/** Steps of trouble; healing and draining come on top. */
const STEPS = { raw: 3_000, network: 3_000 }
/** How many histories that nobody has seen before; those of clusters have a step of their own in .ci/run. */
const FRESH = { raw: 20, network: 10 }

describe('one broker with its disk, network and clients, in virtual time', () => {
  it.each(keptSeeds(['raw']))(
    'keeps its promises in the history of seed $seed, twice the same',
    async (task) => void (await twice(task)),
  )

  it('keeps them in histories that nobody has seen before', () => fresh('raw'))

  it('sends, delivers, acks, fails and loses leases in them: a quiet history would prove nothing', async () => {
    const { counts } = await simulate({ cast: 'raw', seed: 12, steps: STEPS.raw })
    for (const what of ['sent', 'delivered', 'ack', 'nack', 'reject', 'release', 'lost']) {
      expect(counts[what], what).toBeGreaterThan(0)
    }
  })
})

describe("the library's clients at the other end of a bad network, in virtual time", () => {
  it.each(keptSeeds(['network']))(
    'have what they were promised in the history of seed $seed, twice the same',
    async (task) => {
      const { counts } = await twice(task)
      const happens = [
        'sent',
        'receive',
        'iterate',
        'run',
        'acked',
        'read',
        'locked',
        'disconnect',
        'connect',
      ]
      for (const what of happens) expect(counts[`network ${what}`], what).toBeGreaterThan(0)
    },
  )

  it('have it in histories that nobody has seen before', () => fresh('network'))
})

describe('a cluster of brokers with its coordination service, its network and clients, in virtual time', () => {
  it.each(keptSeeds(['cluster']))(
    'keeps its promises in the history of seed $seed, twice the same',
    async (task) => {
      const { counts } = await twice(task)
      for (const what of ['sent', 'delivered', 'ack', 'network sent', 'network acked', 'network locked'])
        expect(counts[what], what).toBeGreaterThan(0)
    },
  )
})

async function twice(task: Task): Promise<Outcome> {
  const once = await held(task)
  const { hash, counts } = await held(task)
  expect(hash).toBe(once.hash)
  expect(counts).toEqual(once.counts)
  return once
}

async function fresh(cast: 'raw' | 'network'): Promise<void> {
  const first = Math.floor(Math.random() * 1e9)
  for (let seed = first; seed < first + FRESH[cast]; seed++) await held({ cast, seed, steps: STEPS[cast] })
}

/** All promises were. */
async function held(task: Task): Promise<Outcome> {
  const outcome = await simulate(task)
  if (outcome.error !== undefined) expect.unreachable(report(outcome))
  return outcome
}
