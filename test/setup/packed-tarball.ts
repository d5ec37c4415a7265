import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of the packed tarball: what users would get, were it published now. */
    tarball: string
  }
}

/** Builds and packs once for all package tests: `npm pack` runs `prepack`, which builds. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'portal-mq-tarball-'))
  await promisify(execFile)('npm', ['pack', '--pack-destination', folder], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    shell: process.platform === 'win32',
    maxBuffer: 64 * 2 ** 20,
  })
  const [tarball] = await readdir(folder)
  if (tarball === undefined) throw new Error('npm pack made no tarball.')
  project.provide('tarball', join(folder, tarball))
  return () => rm(folder, { recursive: true, force: true })
}
