// All of it: a broker, two sensors, two controllers for each, in seven processes. In the middle one controller is killed, with a reading in
// hand. At the end the sensors' readings are counted against what the controllers handled.  main.ts [seconds]
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin } from 'portal-mq'
import { connect } from 'portal-mq/http'
import type { Reading } from './reading.js'

type Report = { readonly began: Reading; readonly deliveryCount: number } | { readonly handled: Reading }

const SECONDS = Number(process.argv[2] ?? 10)
const RATE = 15
const TOPICS = ['temp_1', 'temp_2']

const directory = await mkdtemp(join(tmpdir(), 'portal-mq-iot-'))
const broker = start('broker.ts', [directory], { PORT: '0' })
const [{ url }] = (await once(broker, 'message')) as [{ url: string }]

let sent = 0
let deliveredAgain = 0
const handled = new Set<string>()

const controllers = TOPICS.flatMap((topic) => [startController(topic), startController(topic)])
const sensors = TOPICS.map((topic) => startSensor(topic))

await Promise.all(controllers.map(itBegins))
console.log('all are at work')

await sleep((SECONDS * 1_000) / 2)
const [victim] = controllers as [ChildProcess]
const reading = await itBegins(victim)
victim.kill('SIGKILL')
console.log(
  `controller ${victim.pid} is killed at work on reading ${reading}: it comes back when the lease is over`,
)
await sleep((SECONDS * 1_000) / 2)

// The order of a quiet evening: sensors first, controllers once nothing is left to do, the broker last.
await Promise.all(sensors.map(end))
await everythingIsSettled()
await Promise.all(controllers.map(end))
await end(broker)
await rm(directory, { recursive: true, force: true })

const lost = sent - handled.size
console.log(`sent ${sent}, handled ${handled.size}, delivered again ${deliveredAgain}, lost ${lost}`)
process.exitCode = lost === 0 ? 0 : 1

function startSensor(topic: string): ChildProcess {
  const [kind = '', number = ''] = topic.split('_')
  const sensor = start('sensor.ts', [kind, number, String(RATE)], { PORTAL_MQ_URL: url })
  sensor.on('message', (report: { sent: number }) => {
    sent += report.sent
  })
  return sensor
}

function startController(topic: string): ChildProcess {
  const controller = start('controller.ts', [topic], { PORTAL_MQ_URL: url })
  controller.on('message', (report: Report) => {
    if ('handled' in report) handled.add(nameOf(report.handled))
    else if (report.deliveryCount > 1) deliveredAgain++
  })
  return controller
}

/** Resolves when the controller begins to work on a reading, with the reading's name. */
async function itBegins(controller: ChildProcess): Promise<string> {
  for (;;) {
    const [report] = (await once(controller, 'message')) as [Report]
    if ('began' in report) return nameOf(report.began)
  }
}

/** Whoever waits for a group to be done asks for its lag: messages that are not settled yet. */
async function everythingIsSettled(): Promise<void> {
  const connection = connect(url)
  const admin = new Admin(connection)
  for (const topic of TOPICS) {
    const lag = async () => {
      const { partitions } = await admin.describeGroup(topic, 'controllers')
      return partitions.reduce((sum, partition) => sum + partition.lag, 0)
    }
    while ((await lag()) > 0) await sleep(100)
  }
  await connection.close()
}

function start(
  program: string,
  options: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  return fork(new URL(program, import.meta.url), options, { env: { ...process.env, ...env } })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'close')
}

function nameOf({ sensor, number }: Reading): string {
  return `${sensor}/${number}`
}
