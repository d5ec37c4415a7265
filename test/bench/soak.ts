import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Actor, withActors } from './support/processes.js'
import { median } from './support/statistics.js'

const HELP = `npm run soak -- [options]
  --minutes N        how long            (default: 5)
  --directory DIR    a real disk         (default: node_modules/.cache/bench)

A broker, a producer and a consumer as processes, at half the rate that they reach in the first seconds. Memory must be
flat: of each process the median of the last fifth may exceed that of the second fifth by a tenth and 16 MiB.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    directory: { type: 'string', default: 'node_modules/.cache/bench' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}

mkdirSync(values.directory, { recursive: true })
const directory = mkdtempSync(join(resolve(values.directory), 'soak-'))
try {
  process.exitCode = await withActors(3, soak)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function soak(actors: readonly Actor[]): Promise<number> {
  const [broker, producer, consumer] = actors as [Actor, Actor, Actor]
  const url = await broker.play('broker', join(directory, 'data'))
  const trial = 200_000
  const seconds = (await producer.play('publish', url, 'trial', trial)) / 1_000
  const rate = Math.floor(trial / seconds / 2)
  const milliseconds = Number(values.minutes) * 60_000
  console.log(`${rate.toLocaleString('en')} messages a second for ${values.minutes} minutes`)
  const memory = actors.map((): number[] => [])
  await producer.play('steadyStart', url, 'steady', rate)
  await consumer.play('steadyConsume', url, 'steady')
  for (const began = performance.now(); performance.now() - began < milliseconds; ) {
    await pause(Math.min(5_000, milliseconds / 20))
    const now = await Promise.all(actors.map((actor) => actor.play('memory')))
    now.forEach((bytes, at) => void memory[at]!.push(bytes / 2 ** 20))
    const { taken } = await consumer.play('steadyTaken')
    console.log(
      `${taken.toLocaleString('en').padStart(14)} taken   ${now.map(megabytes).join('  ')}   (broker, producer, consumer)`,
    )
  }
  const sent = await producer.play('steadyStop')
  const taken = await consumer.play('steadyFinish', sent)
  console.log(`sent ${sent}, taken ${taken.taken}, twice ${taken.repeated}`)
  const flat = memory.map(isFlat)
  console.log(flat.every(Boolean) ? 'memory is flat' : `memory grows: ${flat.map(String).join(', ')}`)
  return sent === taken.taken && flat.every(Boolean) ? 0 : 1
}

function isFlat(samples: readonly number[]): boolean {
  const fifth = Math.max(1, Math.floor(samples.length / 5))
  const early = median(samples.slice(fifth, 2 * fifth))
  const late = median(samples.slice(-fifth))
  return late <= early * 1.1 + 16
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`.padStart(7)
}
