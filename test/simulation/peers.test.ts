import { describe, expect, it } from 'vitest'
import { isPortalError } from '../../src/core/errors.js'
import type { FetchRequest, FetchResponse, PeerService } from '../../src/protocol/peer-service.js'
import { Calls } from './calls.js'
import { peerOver } from './peers.js'
import { Scheduler } from './scheduler.js'
import { Trace } from './trace.js'
import { type Division, Wires } from './wires.js'

const NAMES = ['a', 'b', 'c', 'd']

function network(seed: number) {
  const scheduler = new Scheduler(seed)
  const wires = new Wires(scheduler, new Trace(() => scheduler.now))
  const calls = new Calls<{ readonly peers: PeerService }>(scheduler, wires)
  /** Who was asked for what, in the order of arrival. */
  const arrived: string[] = []
  const lives = new Map(NAMES.map((name) => [name, scheduler.life()]))
  const connect = (from: string, to: string) =>
    peerOver(calls, { from, life: lives.get(from)!, to }, () => {})
  for (const name of NAMES) {
    const fetch = async (request: FetchRequest): Promise<FetchResponse> => {
      arrived.push(`${request.from.broker}${name} ${request.maxBytes}`)
      return { results: [] }
    }
    calls.listen(name, lives.get(name)!, { peers: { fetch } as unknown as PeerService })
  }
  const settled = async <T>(work: Promise<T>): Promise<'answered' | 'disconnected'> => {
    let outcome: 'answered' | 'disconnected' | undefined
    work.then(
      () => (outcome = 'answered'),
      (error: unknown) => {
        expect(isPortalError(error, 'DISCONNECTED')).toBe(true)
        outcome = 'disconnected'
      },
    )
    while (outcome === undefined) expect(await scheduler.step()).toBe(true)
    return outcome
  }
  const ask = (from: string, to: string, maxBytes = 0) =>
    connect(from, to).fetch({
      cluster: 'c',
      from: { broker: from, storage: 's', generation: 1 },
      wait: 0,
      maxBytes,
      now: 0,
      partitions: [],
    })
  return { scheduler, wires, lives, arrived, ask, settled }
}

/** Who hears whom, as a list of pairs. */
async function hearing(division: Division, seed: number): Promise<string[]> {
  const { wires, ask, settled } = network(seed)
  wires.divide(NAMES, division)
  const pairs: string[] = []
  for (const from of NAMES)
    for (const to of NAMES)
      if (from < to && (await settled(ask(from, to))) === 'answered') pairs.push(from + to)
  return pairs
}

describe('the simulated wires between brokers', () => {
  it('carry requests and answers when nothing is wrong', async () => {
    const { ask, settled, arrived } = network(1)
    expect(await settled(ask('a', 'b'))).toBe('answered')
    expect(arrived).toEqual(['ab 0'])
  })

  it('lose, double and reorder', async () => {
    const { scheduler, wires, ask, settled, arrived } = network(2)
    Object.assign(wires.faults, { loss: 0.2, duplicates: 0.2, delay: 50 })
    const asked = Array.from({ length: 100 }, (_, n) => settled(ask('a', 'b', n)))
    const outcomes: string[] = []
    for (const one of asked) outcomes.push(await one)
    expect(outcomes).toContain('disconnected')
    expect(outcomes).toContain('answered')
    expect(new Set(arrived).size).toBeLessThan(arrived.length)
    const order = arrived.map((line) => Number(line.split(' ')[1]))
    expect(order).not.toEqual([...order].sort((one, other) => one - other))
    expect(scheduler.steps).toBeGreaterThan(100)
  })

  it('cut in one direction, requests arrive and answers do not', async () => {
    const { wires, ask, settled, arrived } = network(3)
    wires.cut('b', 'a')
    expect(await settled(ask('a', 'b'))).toBe('disconnected')
    expect(await settled(ask('b', 'a'))).toBe('disconnected')
    expect(arrived).toEqual(['ab 0'])
    wires.heal()
    expect(await settled(ask('b', 'a'))).toBe('answered')
  })

  it('divide a network in the ways that networks are divided', async () => {
    expect(await hearing('one', 4)).toHaveLength(3)
    expect(await hearing('halves', 5)).toHaveLength(2)
    expect(await hearing('ring', 6)).toHaveLength(4)
    expect(await hearing('bridge', 7)).toHaveLength(4)
  })

  it('let one that was frozen serve what came meanwhile, and one that died never', async () => {
    const { scheduler, lives, ask, settled, arrived } = network(8)
    lives.get('b')!.freeze()
    expect(await settled(ask('a', 'b', 1))).toBe('disconnected')
    expect(arrived).toEqual([])
    lives.get('b')!.thaw()
    expect(await settled(ask('a', 'b', 2))).toBe('answered')
    expect(arrived).toContain('ab 1')
    lives.get('b')!.end()
    expect(await settled(ask('a', 'b', 3))).toBe('disconnected')
    expect(scheduler.steps).toBeGreaterThan(0)
  })
})
