import { describe, expect, it } from 'vitest'
import { findMutant, mutants } from './all.js'
import { keptSeeds } from './campaign.js'
import { hunt } from './hunt.js'
import { mutate } from './mutant.js'

const kept = await keptSeeds()
/** Of processor time, for each. */
const SECONDS = 20

describe('known bugs of replicated logs and queues, put into the source', () => {
  it.each(mutants)('$name is found by a kept seed, or soon after, and not without it', async (mutant) => {
    const { found, others } = await hunt(mutant, { kept: kept[mutant.name]!, seed: 1, seconds: SECONDS })
    const again = `npm run sim -- --mutants --only ${mutant.name} --keep finds another seed`
    expect(found[0]?.violation, `${again}; instead: ${others.join('; ')}`).toMatch(mutant.shows)
  })

  it('names no seed of a bug that is not there any more, and one of each that is', () => {
    expect(Object.keys(kept).sort()).toEqual(mutants.map(({ name }) => name).sort())
  })

  it('a piece of code that is not there, or more than once, is an error', () => {
    const mutant = findMutant('ack-before-in-sync-set')
    const { file, code } = mutant.changes[0]!
    expect(mutate(mutant, file, code)).not.toContain(code)
    expect(() => mutate(mutant, file, '')).toThrow(/stands there 0 times/)
    expect(() => mutate(mutant, file, code + code)).toThrow(/stands there 2 times/)
  })
})
