import { readFile, writeFile } from 'node:fs/promises'
import { findMutant, mutants } from './all.js'
import { hunt } from './hunt.js'

const file = new URL('kept.json', import.meta.url)

/** By name of the mutant: a seed whose history shows it, and is quiet without it; or did before the simulator changed. */
export async function keptSeeds(): Promise<Record<string, number>> {
  return JSON.parse(await readFile(file, 'utf8')) as Record<string, number>
}

export interface CampaignOptions {
  /** Names; undefined: all. */
  readonly only: readonly string[] | undefined
  /** The first seed. */
  readonly seed: number
  /** Of processor time, for each. */
  readonly minutes: number
  /** Write the seeds that were found to kept.json. */
  readonly keep: boolean
}

/** Looks for each bug with seeds that nobody has seen before, and prints what it took as a table. Resolves to how many were not found. */
export async function campaign({ only, seed, minutes, keep }: CampaignOptions): Promise<number> {
  const chosen = only === undefined ? mutants : only.map(findMutant)
  let missed = 0
  console.log('| bug | cast | seeds | processor time | how it shows |\n| --- | --- | --- | --- | --- |')
  for (const mutant of chosen) {
    const { seeds, seconds, found, others } = await hunt(mutant, { seed, seconds: minutes * 60 })
    if (!found) missed++
    else if (keep) await keepSeed(mutant.name, found.seed)
    const how = found ? found.violation.split('\n')[0]!.slice(0, 100) : `not found; ${others.join('; ')}`
    console.log(`| \`${mutant.name}\` | ${mutant.cast} | ${seeds} | ${seconds.toFixed(1)} s | ${how} |`)
  }
  return missed
}

async function keepSeed(name: string, seed: number): Promise<void> {
  const kept = Object.entries({ ...(await keptSeeds()), [name]: seed }).sort(([a], [b]) => (a < b ? -1 : 1))
  await writeFile(file, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`)
}
