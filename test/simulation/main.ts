import { parseArgs } from 'node:util'
import { report, simulate } from './simulate.js'
import { simulateCluster } from './simulate-cluster.js'

// npm run sim -- [--seed N] [--runs N | --minutes M] [--steps N] [--network | --cluster] [--keep] [--loud]: histories one after the
// other, until one breaks a promise; with --keep, all of them.
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    steps: { type: 'string' },
    keep: { type: 'boolean', default: false },
    network: { type: 'boolean', default: false },
    cluster: { type: 'boolean', default: false },
    loud: { type: 'boolean', default: false },
  },
})
const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed)
const runs = values.minutes === undefined ? Number(values.runs) : Number.POSITIVE_INFINITY
const began = Date.now()
const until = began + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000
const failed: number[] = []
let seeds = 0
let steps = 0
let milliseconds = 0
for (; seeds < runs && Date.now() < until; seeds++) {
  const seed = first + seeds
  const { loud } = values
  const outcome = values.cluster
    ? await simulateCluster(seed, Number(values.steps ?? 20_000), { loud })
    : await simulate(seed, Number(values.steps ?? 4_000), { loud, cast: values.network ? 'network' : 'raw' })
  steps += outcome.steps
  milliseconds += outcome.milliseconds
  if (outcome.error !== undefined) {
    failed.push(outcome.seed)
    const lines = values.keep ? 0 : 120
    console.log(report(outcome, lines))
    if (!values.keep) process.exit(1)
  } else if (runs === 1) console.log(outcome.hash, JSON.stringify({ ...outcome, trace: undefined }))
}
const speed = Math.round(milliseconds / (Date.now() - began))
console.log(
  `${seeds} seeds from ${first}, ${steps} steps, ${speed} × real time, ${failed.length} failed ${failed.join(' ')}`,
)
process.exitCode = failed.length > 0 ? 1 : 0
