import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin, isPortalError, Producer } from '../../index.js'
import { interruption, withBroker } from '../open.js'
import { Controller } from './controller.js'
import { Ledger } from './ledger.js'
import { NEW_YORK, SEATTLE } from './readings.js'
import { Sensor } from './sensor.js'
import { LiveView, PlainView, type View } from './view.js'

/** How long the controllers may need to finish after the sensors have ended (ms): retries and the dead one's lease included. */
const PATIENCE = 30_000

export interface DemoOptions {
  /** Seconds for which the sensors send. */
  readonly duration: number
  /** Readings per second and sensor. */
  readonly rate: number
  readonly directory?: string
  readonly plain: boolean
}

/**
 * Sensors and controllers on one embedded broker. Controllers compete for a sensor's readings; some fail on purpose and their
 * messages come back; one dies in the middle with a message in hand. Resolves to the exit code: 1 if anything was lost.
 */
export async function demo(options: DemoOptions): Promise<number> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'portal-mq-demo-')))
  const stop = interruption()
  try {
    const ledger = await run(directory, options, stop.signal)
    return ledger.lost === 0 && ledger.duplicates === 0 ? 0 : 1
  } finally {
    stop.stop()
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  }
}

function run(directory: string, options: DemoOptions, signal: AbortSignal): Promise<Ledger> {
  return withBroker({ directory }, async (broker) => {
    const ledger = new Ledger(`${Date.now().toString(36)}-${process.pid}`)
    const producer = new Producer(broker)
    const sensors = [
      new Sensor(producer, ledger, 'temp_1', 'Seattle', SEATTLE),
      new Sensor(producer, ledger, 'temp_2', 'New York', NEW_YORK),
    ]
    const controllers = sensors.flatMap(({ topic }, at) =>
      ['A', 'B', 'C'].map(
        (letter) => new Controller(broker, ledger, topic, `${letter}${at + 1}`, options.rate),
      ),
    )
    const view: View = options.plain
      ? new PlainView(ledger, sensors, controllers)
      : new LiveView(ledger, sensors, controllers)
    const working = controllers.map((controller) => controller.work())
    view.start(options.duration)
    const victim = controllers[1]!
    const killing = sleep((options.duration * 1_000) / 2, undefined, { signal }).then(
      () => victim.kill(),
      () => {},
    )
    await Promise.all(sensors.map((sensor) => sensor.send(options.duration * 1_000, options.rate, signal)))
    await producer.close()
    await killing
    await allAcknowledged(ledger)
    for (const controller of controllers) controller.stop()
    await Promise.all(working)
    view.end(await deadLetters(new Admin(broker), sensors))
    return ledger
  })
}

/** Every reading that was sent has been acknowledged, or patience has ended. */
async function allAcknowledged(ledger: Ledger): Promise<void> {
  const deadline = Date.now() + PATIENCE
  while (ledger.lost > 0 && Date.now() < deadline) await sleep(20)
}

async function deadLetters(admin: Admin, sensors: readonly Sensor[]): Promise<number> {
  let dead = 0
  for (const { topic } of sensors) {
    // Without a reading there is no topic, and no group.
    const group = await admin.describeGroup(topic, 'controllers').catch((error) => {
      if (!isPortalError(error, 'TOPIC_NOT_FOUND', 'GROUP_NOT_FOUND')) throw error
    })
    for (const { deadLettered } of group?.partitions ?? []) dead += deadLettered
  }
  return dead
}
