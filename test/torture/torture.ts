import { FAULTS, type Scene } from './faults.js'
import { FireCluster } from './fire-cluster.js'
import { ms } from './ledger.js'
import { Load } from './load.js'
import { longestOutage } from './outage.js'

export interface TortureOptions {
  readonly directory: string
  /** Whether the directory stays when nothing was found. */
  readonly keep: boolean
  readonly minutes: number
  readonly seed: number
  readonly sessionTimeout: number
  /** Names of FAULTS. */
  readonly faults: readonly string[]
  /** Milliseconds for which ZooKeeper stays away; undefined: 20 to 60 seconds. */
  readonly blackout: number | undefined
  readonly random: () => number
}

/** Milliseconds within which a cluster whose faults are over must be whole again: what is stuck is so for ever, whoever is slow is not. */
const RECOVERY = 120_000
/** Milliseconds for which nothing may be settled in the end, while something is left. */
const DRAIN = 60_000
/** What a broker says that stops since its disk is slow: whoever runs brokers starts them again. */
const SLOW_DISK = /The disk has not answered/
/** Milliseconds of calm between two faults. */
const CALM = 1_000

/** Lets one fault follow the other, and says what came of it. Resolves to whether every promise was kept. */
export async function torture(options: TortureOptions): Promise<boolean> {
  const { directory, minutes, seed, sessionTimeout, random } = options
  console.log(`seed ${seed}, session ${sessionTimeout} ms, ${minutes} minutes, in ${directory}`)
  const cluster = await FireCluster.open({ directory, sessionTimeout })
  const load = new Load({ urls: cluster.urls, random })
  const outages = new Map<string, number[]>()
  const begun = performance.now()
  const seconds = () => `${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s`
  let faults = 0
  let ends = 0
  const tend = () => {
    for (const broker of cluster.brokers) {
      for (const surprise of broker.surprises.splice(0)) {
        if (!SLOW_DISK.test(surprise)) load.ledger.violate(surprise)
        ends++
        console.log(`${seconds()}  ${surprise}`)
        broker.start().catch((error: unknown) => load.ledger.violate(String(error)))
      }
    }
  }
  const tending = setInterval(tend, 100)
  try {
    await load.start()
    await load.untilInSync(RECOVERY)
    const end = begun + minutes * 60_000
    const deck = new Deck(options.faults, random)
    while (performance.now() < end && load.ledger.violations.length === 0) {
      const name = deck.draw()
      const since = performance.now()
      const blackout = options.blackout ?? 20_000 + random() * 40_000
      const scene: Scene = { cluster, load, random, blackout: Math.min(blackout, minutes * 60_000 * 0.12) }
      const what = await FAULTS[name]!(scene)
      const undone = performance.now()
      await recover(load, undone)
      const outage = longestOutage(load.ledger, load.partitions, since, performance.now())
      outages.set(name, [...(outages.get(name) ?? []), outage])
      faults++
      const recovery = performance.now() - undone
      console.log(
        `${seconds()}  ${name} (${what}): writes waited for ${ms(outage)}, whole again after ${ms(recovery)}`,
      )
      await new Promise((resolve) => setTimeout(resolve, CALM))
    }
    await load.finish(DRAIN)
    tend()
  } catch (error) {
    load.ledger.violate(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  clearInterval(tending)
  await load.close()
  await cluster.close()
  const { violations } = load.ledger
  report(load, cluster, faults, outages)
  if (ends > 0) console.log(`Brokers ended by themselves: ${ends} times.`)
  if (violations.length === 0) {
    if (!options.keep) await cluster.remove()
    return true
  }
  console.log(
    `\n${violations.length} promises were broken (seed ${seed}; data and logs are in ${directory}):`,
  )
  for (const violation of violations.slice(0, 30)) console.log(`  ${violation}`)
  return false
}

/** Faults are over: all partitions acknowledge, and all replicas are in sync. */
async function recover(load: Load, since: number): Promise<void> {
  try {
    await load.untilFlowing(since, RECOVERY)
    await load.untilInSync(RECOVERY)
  } catch (error) {
    load.ledger.violate(String(error))
  }
}

function report(
  load: Load,
  cluster: FireCluster,
  faults: number,
  outages: ReadonlyMap<string, readonly number[]>,
): void {
  const { counts, longestOverlap, violations } = load.ledger
  console.log(
    `\n${'fault'.padEnd(24)}${'times'.padStart(6)}${'writes waited, p50'.padStart(22)}${'max'.padStart(12)}`,
  )
  for (const [name, list] of [...outages].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const sorted = [...list].sort((a, b) => a - b)
    const half = ms(sorted[Math.floor(sorted.length / 2)]!)
    console.log(
      `${name.padEnd(24)}${String(list.length).padStart(6)}${half.padStart(22)}${ms(sorted.at(-1)!).padStart(12)}`,
    )
  }
  const lost = violations.filter((text) => text.endsWith('is lost.')).length
  console.log(
    `\n${faults} faults, ${cluster.failovers} failovers; ${counts.sent} sent: ${counts.acknowledged} acknowledged, ` +
      `${counts.undecided} undecided, ${lost} lost; ${counts.delivered} delivered, ${counts.again} of them again; ` +
      `${counts.acked} acked, ${counts.lost} acks refused, ${counts.ackUndecided} undecided; ${counts.late} deliveries came after their lease, ` +
      `leases overlapped for at most ${ms(longestOverlap)}`,
  )
}

/** Each comes once before any comes again. */
class Deck {
  readonly #names: readonly string[]
  readonly #random: () => number
  #left: string[] = []

  constructor(names: readonly string[], random: () => number) {
    this.#names = names
    this.#random = random
  }

  draw(): string {
    if (this.#left.length === 0) this.#left = [...this.#names]
    return this.#left.splice(Math.floor(this.#random() * this.#left.length), 1)[0]!
  }
}
