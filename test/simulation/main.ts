import { parseArgs } from 'node:util'
import { report, simulate } from './simulate.js'

// npm run sim -- [--seed N] [--runs N] [--steps N] [--network] [--loud]: histories one after the other, until one breaks a promise.
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1' },
    steps: { type: 'string', default: '4000' },
    keep: { type: 'boolean', default: false },
    network: { type: 'boolean', default: false },
    loud: { type: 'boolean', default: false },
  },
})
const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed)
const failed: number[] = []
let steps = 0
for (let at = 0; at < Number(values.runs); at++) {
  const outcome = await simulate(first + at, Number(values.steps), {
    loud: values.loud,
    cast: values.network ? 'network' : 'raw',
  })
  steps += outcome.steps
  if (outcome.error !== undefined) {
    failed.push(outcome.seed)
    const lines = values.keep ? 0 : 120
    console.log(report(outcome, lines))
    if (!values.keep) process.exit(1)
  } else if (Number(values.runs) === 1)
    console.log(outcome.hash, JSON.stringify({ ...outcome, trace: undefined }))
}
console.log(`${values.runs} seeds from ${first}, ${steps} steps, ${failed.length} failed ${failed.join(' ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
