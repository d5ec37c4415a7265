// `npm run example NAME [ARGUMENTS]`: runs examples/NAME/main.ts (of NAME/PART: examples/NAME/PART.ts) in this clone, without a build. tsconfig.json's `paths` lead `portal-mq` to the
// sources; the storage worker, which Node cannot start from a .ts file, is bundled first, and the command line, whose processes some start. With the
// package installed none of it is needed: `npx tsx main.ts` in a copy of the folder does.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const repository = fileURLToPath(new URL('..', import.meta.url))
const [name = '', ...options] = process.argv.slice(2)
const program = name.includes('/') ? `examples/${name}.ts` : `examples/${name}/main.ts`

if (name === '' || !existsSync(`${repository}/${program}`)) {
  const folders = readdirSync(`${repository}/examples`, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  console.error(`Which example? npm run example ${folders.map((folder) => folder.name).join(' | ')}`)
  process.exit(1)
}

const { version } = JSON.parse(readFileSync(`${repository}/package.json`, 'utf8'))
const bundles = `${repository}/node_modules/.cache/portal-mq`
await build({
  absWorkingDir: repository,
  entryPoints: { 'example-worker': 'src/storage/sqlite/worker.ts', 'example-cli': 'src/cli/main.ts' },
  outdir: bundles,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  // As if it were run from the sources: the storage worker is found by the environment.
  define: {
    PORTAL_MQ_VERSION: JSON.stringify(version),
    'import.meta.url': JSON.stringify(pathToFileURL(`${repository}/src/cli/main.ts`).href),
  },
})
const child = spawn(process.execPath, ['--import', 'tsx', program, ...options], {
  cwd: repository,
  stdio: 'inherit',
  env: {
    ...process.env,
    PORTAL_MQ_STORAGE_WORKER: `${bundles}/example-worker.mjs`,
    PORTAL_MQ_CLI: `${bundles}/example-cli.mjs`,
  },
})
// The terminal sends Ctrl-C to both; whoever started this with a signal in mind means the example.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('close', (code) => {
  process.exitCode = code ?? 1
})
