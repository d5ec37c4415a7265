import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = fileURLToPath(new URL('../../src/storage/sqlite/worker.ts', import.meta.url))

/** Inside node_modules, so that the bundle's `import 'better-sqlite3'` is resolved as everybody else's. */
export const storageWorkerBundle = fileURLToPath(
  new URL('../../node_modules/.cache/portal-mq/storage-worker.mjs', import.meta.url),
)

/**
 * Bundles the storage worker, once before any test: Node 20 starts no worker from a .ts file. src/storage/sqlite/
 * worker-location.ts finds the bundle by PORTAL_MQ_STORAGE_WORKER, which vitest.config.ts sets and child processes of
 * tests inherit.
 */
export default async function setup(): Promise<void> {
  if (!existsSync(source)) return
  // Written aside and renamed: the projects of one run set up side by side, and none may see half a file.
  const unfinished = `${storageWorkerBundle}.${process.pid}.${bundles++}.mjs`
  await build({
    entryPoints: [source],
    outfile: unfinished,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
  })
  await rename(unfinished, storageWorkerBundle)
}

let bundles = 0
