import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CASTS, type Cast, type Task } from './simulate.js'

/** A line of the list: a history and why it is kept. */
export interface KeptSeed extends Task {
  readonly why: string
}

const LIST = fileURLToPath(new URL('kept-seeds.txt', import.meta.url))

/** The histories of these casts that are run each time. Throws if a line of the list cannot be read. */
export function keptSeeds(casts: readonly Cast[] = CASTS): KeptSeed[] {
  return lines()
    .filter((line) => !line.startsWith('#'))
    .map(parse)
    .filter(({ cast }) => casts.includes(cast))
}

/** Adds a history to the list, unless it is there. */
export function keepSeed(kept: KeptSeed): void {
  const { cast, seed, steps, why } = kept
  const isSame = (other: Task) => other.cast === cast && other.seed === seed && other.steps === steps
  if (keptSeeds().some(isSame)) return
  const all = [...lines(), `${cast} ${seed} ${steps} ${why.replace(/\s+/g, ' ').trim()}`]
  writeFileSync(LIST, `${all.join('\n')}\n`)
}

function lines(): string[] {
  return readFileSync(LIST, 'utf8').trim().split('\n')
}

function parse(line: string): KeptSeed {
  const [, cast, seed, steps, why] = /^(raw|network|cluster) (\d+) (\d+) (.+)$/.exec(line) ?? []
  if (why === undefined) throw new Error(`Not a line of kept-seeds.txt: ${line}`)
  return { cast: cast as Cast, seed: Number(seed), steps: Number(steps), why }
}
