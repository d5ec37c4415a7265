import { describe, expect, it } from 'vitest'
import { report, simulate } from './simulate.js'
import { simulateCluster } from './simulate-cluster.js'

/** Steps of trouble; healing and draining come on top. */
const STEPS = 3_000
/** Histories that broke a promise once. A change of the simulator makes others of them: then they are seeds like any. */
const KEPT = [1, 3, 4, 6, 7, 8, 10, 18, 56, 110, 117, 140, 158]
const FRESH = 20
/** The same over the network: grants lost with a receive that was given up, a batch refused by a broker that stops, a request that came twice. */
const KEPT_NETWORK = [6, 17, 22, 25, 9051]
const FRESH_NETWORK = 10
/**
 * Clusters: settlements answered before they were committed (1), leases that end as failures while their partition is taken over (2), suspects
 * leased beside others (4), dead letters of what was not committed as dying (5).
 */
const KEPT_CLUSTER = [1, 2, 4, 5]
const FRESH_CLUSTER = 2
const CLUSTER_STEPS = 15_000

describe('one broker with its disk, network and clients, in virtual time', () => {
  it.each(KEPT)('keeps its promises in the history of seed %i, twice the same', async (seed) => {
    const once = await simulate(seed, STEPS)
    if (once.error !== undefined) expect.unreachable(report(once))
    const twice = await simulate(seed, STEPS)
    expect(twice.hash).toBe(once.hash)
    expect(twice.counts).toEqual(once.counts)
  })

  it('keeps them in histories that nobody has seen before', async () => {
    const first = Math.floor(Math.random() * 1e9)
    for (let seed = first; seed < first + FRESH; seed++) {
      const outcome = await simulate(seed, STEPS)
      if (outcome.error !== undefined) expect.unreachable(report(outcome))
    }
  })

  it('sends, delivers, acks, fails and loses leases in them: a quiet history would prove nothing', async () => {
    const { counts } = await simulate(12, STEPS)
    for (const what of ['sent', 'delivered', 'ack', 'nack', 'reject', 'release', 'lost']) {
      expect(counts[what], what).toBeGreaterThan(0)
    }
  })
})

describe("the library's clients at the other end of a bad network, in virtual time", () => {
  const cast = 'network'

  it.each(KEPT_NETWORK)(
    'have what they were promised in the history of seed %i, twice the same',
    async (seed) => {
      const once = await simulate(seed, STEPS, { cast })
      if (once.error !== undefined) expect.unreachable(report(once))
      const twice = await simulate(seed, STEPS, { cast })
      expect(twice.hash).toBe(once.hash)
      expect(twice.counts).toEqual(once.counts)
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
      for (const what of happens) expect(once.counts[`network ${what}`], what).toBeGreaterThan(0)
    },
  )

  it('have it in histories that nobody has seen before', async () => {
    const first = Math.floor(Math.random() * 1e9)
    for (let seed = first; seed < first + FRESH_NETWORK; seed++) {
      const outcome = await simulate(seed, STEPS, { cast })
      if (outcome.error !== undefined) expect.unreachable(report(outcome))
    }
  })
})

describe('a cluster of brokers with its coordination service, its network and clients, in virtual time', () => {
  it.each(KEPT_CLUSTER)('keeps its promises in the history of seed %i, twice the same', async (seed) => {
    const once = await simulateCluster(seed, CLUSTER_STEPS)
    if (once.error !== undefined) expect.unreachable(report(once))
    const twice = await simulateCluster(seed, CLUSTER_STEPS)
    expect(twice.hash).toBe(once.hash)
    expect(twice.counts).toEqual(once.counts)
    for (const what of ['sent', 'delivered', 'ack']) expect(once.counts[what], what).toBeGreaterThan(0)
  })

  it('keeps them in histories that nobody has seen before', async () => {
    const first = Math.floor(Math.random() * 1e9)
    for (let seed = first; seed < first + FRESH_CLUSTER; seed++) {
      const outcome = await simulateCluster(seed, CLUSTER_STEPS)
      if (outcome.error !== undefined) expect.unreachable(report(outcome))
    }
  })
})
