import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { keepSeed, keptSeeds } from './kept-seeds.js'
import { type Measured, measured } from './measured.js'
import { findMutant } from './mutants/all.js'
import { bundleMutant } from './mutants/bundle.js'
import { campaign } from './mutants/campaign.js'
import { inProcesses } from './pool.js'
import { CASTS, report, STEPS, type Task } from './simulate.js'
import { Tally } from './tally.js'

const HELP = `npm run sim -- [--raw] [--network] [--cluster] [options]
  --raw, --network, --cluster   whose histories                              (default: all, in turns)
  --seed N                      the first                                    (default: any; it is printed)
  --runs N | --minutes M        how many seeds, or for how long              (default: 1 run)
  --steps N                     steps of trouble                             (default: ${JSON.stringify(STEPS)})
  --kept                        first all of kept-seeds.txt, each twice
  --tolerate SHARE              how many of the fresh may fail and count as open     (default: 0)
  --keep                        adds what fails to kept-seeds.txt
  --workers N                   processes, one history each                  (default: one a core)
  --loud                        prints all that happens; in this process
  --report FILE                 counts as vitest's JSON has them, for .ci/total.mjs
  --mutant NAME                 with this bug in the source
  --mutants [--only NAME,NAME]  looks for each of these bugs until it is found, for M minutes of processor time (default: all, 10);
                                --keep keeps the seeds that find them`

const { values } = parseArgs({
  options: {
    raw: { type: 'boolean', default: false },
    network: { type: 'boolean', default: false },
    cluster: { type: 'boolean', default: false },
    seed: { type: 'string' },
    runs: { type: 'string' },
    minutes: { type: 'string' },
    steps: { type: 'string' },
    kept: { type: 'boolean', default: false },
    tolerate: { type: 'string', default: '0' },
    keep: { type: 'boolean', default: false },
    workers: { type: 'string' },
    loud: { type: 'boolean', default: false },
    report: { type: 'string' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}

/** A history, and whether it is one of the list: then it is run twice. */
interface Run extends Task {
  readonly isKept: boolean
}

const chosen = CASTS.filter((cast) => values[cast])
const casts = chosen.length > 0 ? chosen : CASTS
const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed)
const seeds = values.minutes === undefined ? Number(values.runs ?? 1) : Number.POSITIVE_INFINITY
const until = Date.now() + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000
const workers = Number(values.workers ?? availableParallelism())
const tally = new Tally(Number(values.tolerate))

function done({ isKept }: Run, outcome: Measured): void {
  const { cast, seed, steps, error } = outcome
  for (const line of tally.add(outcome, isKept)) console.log(line)
  if (error === undefined) return
  console.log(report(outcome))
  if (values.keep) keepSeed({ cast, seed, steps, why: error.split('\n')[0]! })
}

console.log(`from seed ${first}`)
if (values.mutants) {
  const minutes = Number(values.minutes ?? 10)
  process.exit(await campaign({ only: values.only?.split(','), seed: first, minutes, keep: values.keep }))
}
if (values.mutant !== undefined) {
  const { bundle, remove } = await bundleMutant(findMutant(values.mutant))
  await inProcesses(workers, runs(), done, { program: bundle, loud: values.loud })
  await remove()
} else if (values.loud || (seeds * casts.length === 1 && !values.kept)) {
  for (const run of runs()) done(run, await measured(run, { loud: values.loud }))
} else await inProcesses(workers, runs(), done)

console.log(tally.summary())
if (values.report !== undefined) writeFileSync(values.report, JSON.stringify(tally.asTests()))
process.exitCode = tally.failed > 0 ? 1 : 0

function* runs(): Generator<Run> {
  for (const { cast, seed, steps } of values.kept ? keptSeeds(casts) : []) {
    for (const _ of ['once', 'twice']) yield { cast, seed, steps, isKept: true }
  }
  for (let seed = first; seed < first + seeds; seed++) {
    for (const cast of casts) {
      if (Date.now() >= until) return
      yield { cast, seed, steps: Number(values.steps ?? STEPS[cast]), isKept: false }
    }
  }
}
