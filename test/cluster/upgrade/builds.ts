import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Folders as dist/ is: of the first build that replicates, and of today's. Both lie within node_modules and so find the packages that they import. */
export interface Builds {
  readonly old: string
  readonly young: string
  remove(): Promise<void>
}

export async function makeBuilds(): Promise<Builds> {
  const cache = join(root, 'node_modules/.cache/portal-mq')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'upgrade-'))
  execFileSync('tar', [
    '-xzf',
    join(root, 'test/fixtures/upgrade/portal-mq-first-replicating.tgz'),
    '-C',
    folder,
  ])
  const young = join(folder, 'young')
  await build({
    absWorkingDir: root,
    entryPoints: {
      index: 'src/index.ts',
      http: 'src/http.ts',
      zookeeper: 'src/zookeeper.ts',
      'storage-worker': 'src/storage/sqlite/worker.ts',
    },
    outdir: young,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    define: { PORTAL_MQ_VERSION: '"young"' },
  })
  return {
    old: join(folder, 'package/dist'),
    young,
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
