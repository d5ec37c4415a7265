import { readFile, rm } from 'node:fs/promises'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'esbuild'
import { bundleProgram } from '../../support/bundle.js'
import { type Mutant, mutate } from './mutant.js'

const src = fileURLToPath(new URL('../../../src', import.meta.url))

/** A program for the processes of pool.ts. */
interface Bundle {
  readonly bundle: string
  remove(): Promise<void>
}

/** Makes the simulator's child process with a mutant's bug in it; without a mutant, as it is. */
export async function bundleMutant(mutant: Mutant | undefined): Promise<Bundle> {
  const left = new Set(mutant?.changes.map(({ file }) => file))
  const plugin: Plugin = {
    name: 'mutant',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(src, path).split(sep).join('/')
        if (mutant === undefined || !left.delete(file)) return undefined
        return { loader: 'ts', contents: mutate(mutant, file, await readFile(path, 'utf8')) }
      }),
  }
  const bundle = await bundleProgram('test/simulation/child.ts', `sim-${mutant?.name ?? 'sound'}`, [plugin])
  if (left.size > 0)
    throw new Error(`The mutant ${mutant?.name} changes ${[...left].join(', ')}, which no simulation runs.`)
  return { bundle, remove: () => rm(bundle) }
}
