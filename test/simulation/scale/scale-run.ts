import { heldBytes } from './heap.js'
import { type Measured, ScaleCluster, type ScaleOptions } from './scale-cluster.js'
import { sumOf } from './usage.js'

/** Figures of one run. Times are virtual, except for those of processors. */
export interface ScaleReport {
  readonly start: Measured
  readonly create: Measured
  /** Ten seconds in which nobody sends anything. */
  readonly idle: Measured
  /** One partition is sent to, one message after the other. */
  readonly used: Measured & { readonly sent: number }
  /** One broker is killed, until others lead all that it led. */
  readonly failover: Measured & { readonly led: number; readonly replicas: number; readonly elected: number }
  /** It is back, has caught up, and leads again what it is preferred for. */
  readonly comeback: Measured
  /** One broker stops and starts again, until all is as before. */
  readonly rolling: Measured & { readonly led: number; readonly replicas: number }
  /** The controller is killed, until another has elected leaders for all that it led. */
  readonly controller: Measured & { readonly led: number; readonly reads: number }
  /** Processor time of the controller in `failover`, beyond what the others used (µs). */
  readonly controllerProcessor: number
  /** Bytes that all brokers hold for their replicas, divided by those. */
  readonly bytesPerReplica: number
  /** The same for a broker without partitions. */
  readonly bytesPerBroker: number
}

/** How long an idle cluster is looked at, and how long it may take to come to rest (ms). */
const IDLE = 10_000
const REST = 15_000
/** How long one partition is used (ms). */
const USED = 5_000

export async function runScale(
  options: ScaleOptions,
  say: (line: string) => void = () => {},
): Promise<ScaleReport> {
  const empty = heldBytes()
  const cluster = new ScaleCluster(options)
  const step = async (what: string, work: () => Promise<void>): Promise<Measured> => {
    const measured = await cluster.measure(work)
    say(`${what}: ${describe(measured, options.brokers)}`)
    return measured
  }
  const start = await step('start', async () => {
    await cluster.during(() => Promise.all(cluster.brokers.map((broker) => broker.open())))
    await cluster.pass(REST)
  })
  const bare = heldBytes()
  const create = await step('create', async () => {
    await cluster.makeTopics()
    await cluster.untilWhole()
  })
  await cluster.untilPreferred()
  await cluster.pass(REST)
  const idle = await step('idle', () => cluster.pass(IDLE))
  let sent = 0
  const used = await step('one partition in use', async () => {
    sent = await cluster.use(USED)
  })
  say(
    `  ${sent} messages; of each broker ${(used.processor / options.brokers / sent).toFixed(0)} µs a message`,
  )

  const victim = cluster.brokers.find((broker) => broker !== cluster.controller())!
  const share = cluster.shareOf(victim)
  let elected = 0
  const failover = await step('failover', async () => {
    const began = cluster.now
    victim.kill()
    await cluster.untilElected()
    elected = cluster.now - began
    await cluster.untilWhole()
    await cluster.pass(REST)
  })
  const controllerProcessor = beyondOthers(failover, cluster.controller().name, victim.name)
  say(
    `  of ${share.replicas} replicas it led ${share.led}: all led by others ${Math.round(elected)} ms after the kill`,
  )
  say(`  the controller: ${(controllerProcessor / 1_000).toFixed(0)} ms of processor beyond the others`)
  const comeback = await step('comeback', async () => {
    await cluster.during(() => victim.open())
    await cluster.untilWhole()
    await cluster.untilPreferred()
  })
  await cluster.pass(REST)

  const shareOfStopped = cluster.shareOf(victim)
  const rolling = await step('rolling stop', async () => {
    await cluster.during(() => victim.close())
    await cluster.untilWhole()
    await cluster.during(() => victim.open())
    await cluster.untilWhole()
    await cluster.untilPreferred()
  })
  await cluster.pass(REST)

  const old = cluster.controller()
  const { led } = cluster.shareOf(old)
  const controller = await step('controller killed', async () => {
    old.kill()
    await cluster.untilElected()
  })
  say(`  it led ${led}`)
  await cluster.pass(REST)
  const living = options.brokers - 1
  const replicas = options.partitions * 3 - cluster.shareOf(old).replicas
  const full = heldBytes()
  await cluster.end()
  // Disks and documents are there with brokers and without.
  const bytesPerBroker = (bare - empty) / options.brokers
  const bytesPerReplica = (full - heldBytes() - bytesPerBroker * living) / replicas
  say(`memory: ${Math.round(bytesPerReplica)} bytes a replica, ${Math.round(bytesPerBroker)} a broker`)
  return {
    start,
    create,
    idle,
    used: { ...used, sent },
    failover: { ...failover, ...share, elected },
    comeback,
    rolling: { ...rolling, ...shareOfStopped },
    controller: { ...controller, led },
    controllerProcessor,
    bytesPerReplica,
    bytesPerBroker,
  }
}

function beyondOthers({ byBroker }: Measured, name: string, dead: string): number {
  const others = [...byBroker].filter(([other]) => other !== name && other !== dead).map(([, usage]) => usage)
  return byBroker.get(name)!.processor - sumOf(others).processor / others.length
}

function describe(measured: Measured, brokers: number): string {
  const { milliseconds, writes, reads, requests, fetches, bytes, processor } = measured
  const each = (milliseconds / 1_000) * brokers
  return [
    `${(milliseconds / 1_000).toFixed(2)} s`,
    `${writes} writes and ${reads} reads at the coordinator`,
    `${requests} requests between brokers, ${fetches} of them fetches, ${(bytes / 1e6).toFixed(2)} MB`,
    `each broker and second: ${(fetches / each).toFixed(1)} fetches, ${(bytes / each).toFixed(0)} bytes, ${(processor / each / 1_000).toFixed(2)} ms of processor`,
  ].join('; ')
}
