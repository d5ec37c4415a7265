// `npm run example NAME [ARGUMENTS]`: runs examples/NAME/main.ts (of NAME/PART: examples/NAME/PART.ts) in this clone, without a build. tsconfig.json's `paths` lead `portal-mq` to the
// sources; the storage worker, which Node cannot start from a .ts file, is bundled first. With the package installed neither is needed:
// `npx tsx main.ts` in a copy of the folder does.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
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

const worker = `${repository}/node_modules/.cache/portal-mq/example-worker.mjs`
await build({
  absWorkingDir: repository,
  entryPoints: ['src/storage/sqlite/worker.ts'],
  outfile: worker,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
})
const child = spawn(process.execPath, ['--import', 'tsx', program, ...options], {
  cwd: repository,
  stdio: 'inherit',
  env: { ...process.env, PORTAL_MQ_STORAGE_WORKER: worker },
})
// The terminal sends Ctrl-C to both; whoever started this with a signal in mind means the example.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('close', (code) => {
  process.exitCode = code ?? 1
})
