import { setTimeout as sleep } from 'node:timers/promises'
import {
  Admin,
  connect,
  isPortalError,
  type Logger,
  PortalError,
  Producer,
  type RemoteConnection,
} from '../../../index.js'
import { interruption } from '../../open.js'
import { Controller } from '../controller.js'
import { Ledger } from '../ledger.js'
import { NEW_YORK, SEATTLE } from '../readings.js'
import { Sensor } from '../sensor.js'
import { readLogs } from './audit.js'
import { Board } from './board.js'
import type { ClusterScene } from './cluster-scene.js'
import { type ClusterView, LiveClusterView, PlainClusterView } from './cluster-view.js'
import { Site } from './site.js'
import { Story } from './story.js'

/** How long the controllers may need to finish after the sensors have ended (ms). */
const PATIENCE = 30_000
/** Of a controller: readings that it works on at a time. */
const HANDS = 4
/** A quarter of their time they are busy: what has waited for a new leader is soon handled. */
const BUSY = 0.25
const TOPICS = ['temp_1', 'temp_2'] as const
/** What shells say of a process that Ctrl-C has ended. */
const INTERRUPTED = 130

export interface ClusterDemoOptions {
  /** Seconds for which the sensors send, at least. */
  readonly duration: number
  /** Readings per second and sensor. */
  readonly rate: number
  readonly plain: boolean
  /** Addresses of a ZooKeeper that runs, perhaps with a path. */
  readonly zookeeper?: string
}

/** A broker that is away is told about in the picture. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Three brokers as processes, sensors and controllers. The leader of a topic is killed in the middle, another follows, the dead one comes back. Resolves
 * to the exit code: 0 if every acknowledged reading is in the log and was handled once.
 */
export async function clusterDemo(options: ClusterDemoOptions): Promise<number> {
  const stop = interruption()
  const run = `${Date.now().toString(36)}-${process.pid}`
  const board = new Board(TOPICS)
  const view: ClusterView = options.plain ? new PlainClusterView() : new LiveClusterView()
  try {
    view.prepare(options.zookeeper === undefined ? 'ZooKeeper starts' : 'a folder is made')
    const site = await Site.open(options.zookeeper, run, (broker, topic, epoch) =>
      board.leads(broker, topic, epoch),
    )
    try {
      if (!stop.signal.aborted) view.prepare('three brokers start, each a process of its own')
      if (!stop.signal.aborted) await Promise.all(site.brokers.map((broker) => broker.start()))
      if (stop.signal.aborted) return INTERRUPTED
      const connection = connect(
        site.brokers.map(({ url }) => url),
        { logger: silent },
      )
      try {
        return await play(connection, { options, site, board, view, run, signal: stop.signal })
      } finally {
        await connection.close()
      }
    } finally {
      await site.close()
    }
  } finally {
    stop.stop()
  }
}

interface Stage {
  readonly options: ClusterDemoOptions
  readonly site: Site
  readonly board: Board
  readonly view: ClusterView
  readonly run: string
  readonly signal: AbortSignal
}

async function play(connection: RemoteConnection, stage: Stage): Promise<number> {
  const { options, site, board, view, run, signal } = stage
  const admin = new Admin(connection)
  for (const topic of TOPICS) await admin.createTopic(topic)
  await allInSync(admin, board, site.brokers.length)
  if (signal.aborted) return INTERRUPTED

  const ledger = new Ledger(run, (topic) => story.stored(topic))
  const story = new Story(TOPICS[0], board, site.brokers, (event) => view.happened(event))
  const producer = new Producer(connection)
  const sensors = [
    new Sensor(producer, ledger, TOPICS[0], 'Seattle', SEATTLE),
    new Sensor(producer, ledger, TOPICS[1], 'New York', NEW_YORK),
  ]
  const controllers = sensors.flatMap(({ topic }, at) =>
    ['A', 'B', 'C'].map((letter) => {
      return new Controller(connection, ledger, topic, `${letter}${at + 1}`, options.rate, {
        hands: HANDS,
        busy: BUSY,
      })
    }),
  )
  const scene: ClusterScene = {
    brokers: site.brokers,
    board,
    story,
    ledger,
    sensors,
    controllers,
    duration: options.duration,
  }
  view.start(scene)
  story.begin()
  const watching = new AbortController()
  const watched = board.watch(admin, watching.signal)
  const working = controllers.map((controller) => controller.work())
  try {
    await send(sensors, story, options, signal)
    await producer.close()
    await allHandled(ledger)
    const log = await readLogs(connection, TOPICS, run)
    view.end(log)
    const isOnce =
      ledger.duplicates === 0 && log.size === [...log.values()].reduce((sum, times) => sum + times, 0)
    return ledger.lost === 0 && ledger.missingFrom(log) === 0 && isOnce ? 0 : 1
  } finally {
    view.stop()
    for (const controller of controllers) controller.stop()
    watching.abort()
    await Promise.all([...working, watched])
  }
}

/** Sends for as long as it was asked to, and until the story is told. */
async function send(
  sensors: readonly Sensor[],
  story: Story,
  { duration, rate }: ClusterDemoOptions,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const ends = AbortSignal.any([over.signal, signal])
  const sending = Promise.all(sensors.map((sensor) => sensor.send(Number.POSITIVE_INFINITY, rate, ends)))
  const stopped = (error: unknown) => {
    if (!ends.aborted) throw error
  }
  const time = sleep(duration * 1_000, undefined, { signal: ends }).catch(stopped)
  const telling = story.tell(duration * 1_000, ends).catch(stopped)
  try {
    await Promise.race([Promise.all([time, telling]), sending])
  } finally {
    over.abort()
    await sending
  }
}

async function allInSync(admin: Admin, board: Board, brokers: number): Promise<void> {
  const deadline = Date.now() + PATIENCE
  const isWhole = (topic: string) => {
    const { leader, inSync } = board.of(topic)
    return leader !== undefined && inSync.length === brokers
  }
  while (!TOPICS.every(isWhole)) {
    if (Date.now() > deadline)
      throw new PortalError(
        'TIMEOUT',
        `The cluster has not come together within ${PATIENCE / 1_000} seconds.`,
      )
    await sleep(20)
    await board.ask(admin).catch((error: unknown) => {
      if (!isPortalError(error)) throw error
    })
  }
}

/** Every reading that was stored has been handled, or patience has ended. */
async function allHandled(ledger: Ledger): Promise<void> {
  const deadline = Date.now() + PATIENCE
  while (ledger.lost > 0 && Date.now() < deadline) await sleep(20)
}
