import { readFile, writeFile } from 'node:fs/promises'
import { findMutant, mutants } from './all.js'
import { type Found, hunt } from './hunt.js'

const file = new URL('kept.json', import.meta.url)

/** So many seeds are kept of each: a change that makes other histories of some hardly does of all. */
const KEPT = 4

/** By name of the mutant: seeds whose histories show it, and are quiet without it; or did before the simulator or the source changed. */
export async function keptSeeds(): Promise<Record<string, number[]>> {
  return JSON.parse(await readFile(file, 'utf8')) as Record<string, number[]>
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
    const { seeds, seconds, found, others } = await hunt(mutant, {
      seed,
      seconds: minutes * 60,
      wanted: keep ? KEPT : 1,
    })
    const [shown] = found
    if (!shown) missed++
    else if (keep) await keepSeeds(mutant.name, found)
    const how = shown ? shown.violation.split('\n')[0]!.slice(0, 100) : `not found; ${others.join('; ')}`
    console.log(`| \`${mutant.name}\` | ${mutant.cast} | ${seeds} | ${seconds.toFixed(1)} s | ${how} |`)
  }
  return missed
}

async function keepSeeds(name: string, found: readonly Found[]): Promise<void> {
  const kept = Object.entries({ ...(await keptSeeds()), [name]: found.map(({ seed }) => seed) })
  const lines = kept
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([of, seeds]) => `  "${of}": [${seeds.join(', ')}]`)
  await writeFile(file, `{\n${lines.join(',\n')}\n}\n`)
}
