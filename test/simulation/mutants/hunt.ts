import { inProcesses } from '../pool.js'
import { STEPS, type Task } from '../simulate.js'
import { bundleMutant } from './bundle.js'
import type { Mutant } from './mutant.js'

export interface HuntLimits {
  /** The first seed; the others follow it. */
  readonly seed: number
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

/**
 * Runs histories with a mutant's bug in the source, in a process of their own, until one shows it that is quiet without it, or the time is
 * over.
 */
export async function hunt(mutant: Mutant, { seed, seconds: limit }: HuntLimits): Promise<Hunted> {
  const others: string[] = []
  let seeds = 0
  let seconds = 0
  for (;;) {
    const next = { seed: seed + seeds, seeds: Number.MAX_SAFE_INTEGER, seconds: limit - seconds }
    const hunted = await run(mutant, mutant, next)
    seeds += hunted.seeds
    seconds += hunted.seconds
    others.push(...hunted.others)
    const { found } = hunted
    if (found === undefined) return { seeds, seconds, found, others }
    const sound = await run(mutant, undefined, { seed: found.seed, seeds: 1, seconds: limit })
    const noise = sound.found?.violation ?? sound.others[0]
    if (noise === undefined) return { seeds, seconds, found, others }
    others.push(`seed ${found.seed} without the bug: ${noise}`)
  }
}

async function run(
  { cast, shows, steps = STEPS[cast] }: Mutant,
  inSource: Mutant | undefined,
  { seed: first, seeds, seconds }: HuntLimits & { readonly seeds: number },
): Promise<Hunted> {
  const { bundle, remove } = await bundleMutant(inSource)
  const others: string[] = []
  let begun = 0
  let milliseconds = 0
  let found: Hunted['found']
  function* tasks(): Generator<Task> {
    while (!found && begun < seeds && milliseconds < seconds * 1_000)
      yield { cast, seed: first + begun++, steps }
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
  return { seeds: begun, seconds: milliseconds / 1_000, found, others }
}
