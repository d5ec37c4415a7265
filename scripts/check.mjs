// `npm run check`: every static rule of the house in one command. All run, whatever the others say, and what they print
// comes out in order; it fails if any fails.
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const checks = [
  {
    what: 'format, lint, seams',
    tool: 'biome',
    options: ['ci', '--colors=off', '--max-diagnostics=200', '.'],
  },
  { what: 'types', tool: 'tsc', options: ['--noEmit'] },
  { what: 'layers, circles', tool: 'depcruise', options: ['--config', '.dependency-cruiser.mjs', 'src'] },
  { what: 'dead code', tool: 'knip', options: ['--no-progress'] },
  // Bytes after minifying and gzip; the limits are in .size-limit.json.
  { what: 'what a browser loads', tool: 'size-limit', options: [] },
]

const repository = fileURLToPath(new URL('..', import.meta.url))
const env = { ...process.env, PATH: join(repository, 'node_modules/.bin') + delimiter + process.env.PATH }
const results = await Promise.all(checks.map(run))

for (const { what, tool, passed, output } of results) {
  if (!passed) console.log(`\n── ${what} (${tool}) ──\n${output.trim()}`)
}
for (const { what, tool, passed } of results) console.log(`${passed ? '✓' : '✗'} ${what} (${tool})`)
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1

function run({ what, tool, options }) {
  return new Promise((resolve) => {
    // A shell, for Windows: there the tools are .cmd files.
    const child = spawn(`${tool} ${options.join(' ')}`, { cwd: repository, env, shell: true })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.on('close', (code) => resolve({ what, tool, passed: code === 0, output }))
  })
}
