import { readFileSync } from 'node:fs'
import type { Options } from 'tsup'
import { defineConfig } from 'tsup'

/** The public entry points: one per subpath of package.json's `exports`. */
const library = {
  index: 'src/index.ts',
  client: 'src/client.ts',
  http: 'src/http.ts',
  opentelemetry: 'src/opentelemetry.ts',
  testing: 'src/testing.ts',
  zookeeper: 'src/zookeeper.ts',
}

/** Started, never imported: ESM alone, without types. */
const programs = {
  cli: 'src/cli/main.ts',
  'storage-worker': 'src/storage/sqlite/worker.ts',
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

const common = {
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  define: { PORTAL_MQ_VERSION: JSON.stringify(version) },
  // Shared chunks: without them each entry point has a PortalError of its own, and `instanceof` is false between them.
  splitting: true,
  // `node:` stays: it is how other runtimes, and readers, tell a built-in from a package.
  removeNodeProtocol: false,
  // Both builds write to dist at the same time; scripts/clean.mjs empties it before.
  clean: false,
  // Without the banner our declarations fail for users whose `types` is empty: AsyncDisposable is not in their lib.
  dts: { entry: library, banner: '/// <reference lib="esnext.disposable" />' },
} satisfies Options

export default defineConfig([
  { ...common, format: 'esm', entry: { ...library, ...programs } },
  // The shim gives CJS an import.meta.url, from which the storage worker is found beside it in dist.
  { ...common, format: 'cjs', entry: library, shims: true },
])
