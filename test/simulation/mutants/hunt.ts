import { inProcesses } from '../pool.js'
import { STEPS, type Task } from '../simulate.js'
import { bundleMutant } from './bundle.js'
import type { Mutant } from './mutant.js'

export interface HuntLimits {
  /** Tried before all others, whatever they take. */
  readonly kept?: readonly number[]
  /** The first of the others; the rest follow it. */
  readonly seed: number
  /** Of processor time, after which no other seed is begun. */
  readonly seconds: number
  /** How many seeds that show it are looked for. @default 1 */
  readonly wanted?: number
}

export interface Found {
  readonly seed: number
  readonly violation: string
}

export interface Hunted {
  /** In the order in which they were tried. */
  readonly found: readonly Found[]
  /** How many seeds were run until the first was found, or in vain. */
  readonly seeds: number
  /** Of processor time, for these. */
  readonly seconds: number
  /** Violations of other kinds, each with its seed. */
  readonly others: readonly string[]
}

/**
 * Runs histories with a mutant's bug in the source, in a process of their own, until as many as are wanted show it that are quiet without it, or the time
 * is over.
 */
export async function hunt(
  mutant: Mutant,
  { kept = [], seed, seconds: limit, wanted = 1 }: HuntLimits,
): Promise<Hunted> {
  const found: Found[] = []
  const others: string[] = []
  let seeds = 0
  let seconds = 0
  let until: Pick<Hunted, 'seeds' | 'seconds'> | undefined
  const next = sequence()
  while (found.length < wanted) {
    const tried = await run(mutant, mutant, next)
    others.push(...tried.others)
    if (tried.found === undefined) break
    const sound = await run(mutant, undefined, [tried.found.seed].values())
    const noise = sound.found?.violation ?? sound.others[0]
    if (noise !== undefined) others.push(`seed ${tried.found.seed} without the bug: ${noise}`)
    else {
      until ??= { seeds, seconds }
      found.push(tried.found)
    }
  }
  return { found, others, ...(until ?? { seeds, seconds }) }

  function* sequence(): Generator<number> {
    for (const one of kept) {
      seeds++
      yield one
    }
    for (let one = seed; seconds < limit; one++) {
      if (kept.includes(one)) continue
      seeds++
      yield one
    }
  }

  /** Until one of `tried` shows the bug, or there are no more. */
  async function run(
    { cast, shows, steps = STEPS[cast] }: Mutant,
    inSource: Mutant | undefined,
    tried: Iterator<number>,
  ) {
    const { bundle, remove } = await bundleMutant(inSource)
    const others: string[] = []
    let found: Found | undefined
    function* tasks(): Generator<Task> {
      while (!found) {
        const { value, done } = tried.next()
        if (done) return
        yield { cast, seed: value, steps }
      }
    }
    try {
      await inProcesses(
        1,
        tasks(),
        ({ seed }, { error, processor, real }) => {
          // Of a process that died nobody knows what it took.
          if (inSource) seconds += (processor || real) / 1_000
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
    return { found, others }
  }
}
