import { describe, expect, it } from 'vitest'
import type { Measured } from './measured.js'
import { Tally } from './tally.js'

const PASSED: Measured = {
  ...{ cast: 'cluster', seed: 7, steps: 100, taken: 120, milliseconds: 5_000, hash: 'a' },
  ...{ entries: 1, promises: 1, counts: { sent: 3 }, trace: [], error: undefined },
  ...{ real: 50, processor: 40 },
}

describe('the tally of many histories', () => {
  it('counts a history that was run twice once, and only if it was the same', () => {
    const tally = new Tally()
    tally.add(PASSED, true)
    tally.add(PASSED, true)
    expect(tally.asTests()).toMatchObject({ numPassedTests: 1, numFailedTests: 0 })
    tally.add(PASSED, true)
    const said = tally.add({ ...PASSED, hash: 'b' }, true)
    expect(said.join()).toContain('not the same twice: a, b')
    expect(tally.asTests()).toMatchObject({ numPassedTests: 1, numFailedTests: 1 })
  })

  it('counts one that broke a promise either time as failed', () => {
    const tally = new Tally()
    tally.add({ ...PASSED, error: '[3] lost' }, true)
    tally.add(PASSED, true)
    tally.add({ ...PASSED, seed: 8, error: '[3] lost' }, false)
    tally.add({ ...PASSED, seed: 9 }, false)
    expect(tally.asTests()).toMatchObject({ numPassedTests: 1, numFailedTests: 2 })
    expect(tally.summary()).toContain('1 histories passed, 2 failed (cluster seed 7, cluster seed 8)')
  })

  it('tolerates no more of those that nobody has seen before than it was told, and none that is kept', () => {
    const tally = new Tally(0.5)
    tally.add({ ...PASSED, error: '[3] lost' }, false)
    tally.add({ ...PASSED, seed: 8 }, false)
    expect(tally.failed).toBe(0)
    expect(tally.summary()).toContain('1 histories passed, 0 failed, 1 open (cluster seed 7)')
    tally.add({ ...PASSED, seed: 9, error: '[3] lost' }, false)
    expect(tally.failed).toBe(2)
    expect(tally.asTests()).toMatchObject({ numPassedTests: 1, numFailedTests: 2 })
    tally.add({ ...PASSED, seed: 10 }, false)
    for (const _ of ['once', 'twice']) tally.add({ ...PASSED, seed: 11, error: '[3] lost' }, true)
    expect(tally.failed).toBe(1)
    expect(tally.summary()).toContain(
      '2 histories passed, 1 failed (cluster seed 11), 2 open (cluster seed 7',
    )
  })

  it('says how much faster than real time they went, for one and for all', () => {
    const tally = new Tally()
    expect(tally.add(PASSED, false)).toEqual([
      'cluster seed 7, 120 steps, a: 5.0 s in 0.1 s: 100 × real time',
    ])
    tally.add({ ...PASSED, seed: 8, real: 150 }, false)
    expect(tally.summary()).toContain('10.0 s of virtual time')
    expect(tally.summary()).toContain('50 × in each process')
  })
})
