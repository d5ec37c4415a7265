import { parseArgs } from 'node:util'
import { runScale } from './scale-run.js'

// npm run scale -- [--brokers 50] [--partitions 10000] [--seed 1] [--json]: what many brokers and partitions cost.
const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: '50' },
    partitions: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const options = {
  brokers: Number(values.brokers),
  partitions: Number(values.partitions),
  seed: Number(values.seed),
}
console.log(`${options.brokers} brokers, ${options.partitions} partitions of three replicas`)
const began = Date.now()
const report = await runScale(options, (line) => console.log(line))
console.log(`${Math.round((Date.now() - began) / 1_000)} s of real time`)
if (values.json)
  console.log(
    JSON.stringify(report, (_, value) => (value instanceof Map ? undefined : (value as unknown)), 2),
  )
