import { inProcesses } from '../pool.js'
import { STEPS, type Task } from '../simulate.js'
import { bundleMutant } from './bundle.js'
import type { Mutant } from './mutant.js'

export interface HuntLimits {
  /** The first seed; the others follow it. */
  readonly seed: number
  /** How many at most. */
  readonly seeds: number
  /** Of processor time, after which no other seed is begun. */
  readonly seconds: number
}

export interface Hunted {
  /** How many seeds were run. */
  readonly seeds: number
  /** Of processor time. */
  readonly seconds: number
  readonly found: { readonly seed: number; readonly violation: string } | undefined
  /** Violations of other kinds, each with its seed. */
  readonly others: readonly string[]
}

/** Runs histories with a mutant's bug in the source, in a process of their own, until one shows it. */
export function hunt(mutant: Mutant, limits: HuntLimits): Promise<Hunted> {
  return search(mutant, mutant, limits)
}

/** What goes wrong in the same history without the bug, if anything does. */
export async function soundly(mutant: Mutant, seed: number): Promise<string | undefined> {
  const { found, others } = await search(mutant, undefined, { seed, seeds: 1, seconds: 1 })
  return found?.violation ?? others[0]
}

async function search(
  { cast, shows, steps = STEPS[cast] }: Mutant,
  inSource: Mutant | undefined,
  { seed: first, seeds, seconds }: HuntLimits,
): Promise<Hunted> {
  const { bundle, remove } = await bundleMutant(inSource)
  const others: string[] = []
  let run = 0
  let milliseconds = 0
  let found: Hunted['found']
  function* tasks(): Generator<Task> {
    while (!found && run < seeds && milliseconds < seconds * 1_000) yield { cast, seed: first + run++, steps }
  }
  try {
    await inProcesses(
      1,
      tasks(),
      ({ seed }, { error, processor, real }) => {
        // Of a process that died nobody knows what it took.
        milliseconds += processor || real
        if (error === undefined) return
        const violation = error.split('\n    at ')[0]!.replace(/^Violation: /, '')
        if (shows.test(violation)) found = { seed, violation }
        else others.push(`seed ${seed}: ${violation}`)
      },
      { program: bundle },
    )
  } finally {
    await remove()
  }
  return { seeds: run, seconds: milliseconds / 1_000, found, others }
}
