import { fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { environment, type RowResult, table } from './report.js'
import { ROWS } from './rows.js'
import type { RowReply } from './run-row.js'

const HELP = `npm run bench -- [options]
  --quick            smaller counts: about a minute (the ratios are rougher)
  --rows a,b         only these of: ${Object.keys(ROWS).join(', ')}
  --json FILE        writes everything measured to FILE
  --directory DIR    where databases are written; a real disk   (default: node_modules/.cache/bench)
  --package DIR      measures the build in DIR/dist instead of this one: for pairs of builds`

/** tmpfs has no fsync worth the name. */
const TMPFS = 0x01021994

/** A row that takes longer has stopped (ms). */
const LONGEST_ROW = 300_000

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rows: { type: 'string' },
    json: { type: 'string' },
    directory: { type: 'string', default: 'node_modules/.cache/bench' },
    package: { type: 'string', default: '.' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const names = values.rows?.split(',') ?? Object.keys(ROWS)
const unknown = names.filter((name) => !(name in ROWS))
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no row ${unknown.join(', ')}.\n`)
  console.log(HELP)
  process.exit(unknown.length > 0 ? 2 : 0)
}

mkdirSync(values.directory, { recursive: true })
if (statfsSync(values.directory).type === TMPFS)
  console.error(`${values.directory} is in memory: nothing here is as slow as a disk. Give --directory.`)
const run = environment(values.quick)
const results: RowResult[] = []
for (const name of names) {
  if (process.stderr.isTTY) process.stderr.write(`${name} …\r`)
  results.push(await measure(name))
  // After each: an interrupted run has measured something.
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ run, results }, undefined, 2)}\n`)
}
console.log(table(results))
process.exitCode = results.some(({ error }) => error !== undefined) ? 1 : 0

/** In a fresh process and an empty directory: no row meets the memory, or the files, of another. */
async function measure(row: string): Promise<RowResult> {
  const directory = mkdtempSync(join(resolve(values.directory), `${row}-`))
  const began = performance.now()
  const child = fork(
    new URL('./run-row.ts', import.meta.url),
    [row, directory, values.quick ? 'quick' : 'full'],
    {
      env: { ...process.env, PORTAL_MQ_BENCH_PACKAGE: resolve(values.package) },
    },
  )
  const reply = await new Promise<RowReply>((done) => {
    let last: RowReply = { error: 'The process ended without a figure.' }
    child.on('message', (message: RowReply) => {
      last = message
    })
    const timer = setTimeout(() => {
      last = { error: `No figure after ${LONGEST_ROW / 1_000} s.` }
      child.kill('SIGKILL')
    }, LONGEST_ROW)
    child.on('exit', () => {
      clearTimeout(timer)
      done(last)
    })
  })
  rmSync(directory, { recursive: true, force: true })
  const seconds = Math.round((performance.now() - began) / 100) / 10
  if ('error' in reply) console.error(`${row}: ${reply.error}`)
  return {
    row,
    seconds,
    figures: 'figures' in reply ? reply.figures : [],
    error: 'error' in reply ? reply.error : undefined,
  }
}
