import type { ClusterBroker } from './cluster-broker.js'
import type { ClusterWorld } from './cluster-world.js'

/** How long a failover may take before the next trouble comes anyway (ms). */
const PATIENCE = 15_000

/**
 * Leaders that die one soon after the other, each with entries that nobody else has: what logs keep of epochs that were short shows where
 * they part wrongly (KIP-101, KIP-279). Left to chance it hardly ever comes together.
 */
export async function runFailovers(world: ClusterWorld): Promise<void> {
  const { scheduler } = world
  const pause = scheduler.pick([5_000, 20_000, 100_000])
  while (!world.healing) {
    await scheduler.sleep(scheduler.random() * pause)
    if (!world.healing) await pursue(world)
  }
}

/** The leader of one partition, then its successor, and so on. */
async function pursue(world: ClusterWorld): Promise<void> {
  const { scheduler, trace, audit } = world
  const { partitions } = audit.documents
  const led = [...partitions.keys()].sort().filter((log) => partitions.get(log)!.leader !== null)
  if (led.length === 0) return
  const log = scheduler.pick(led)
  trace.line(`the leaders of ${log} are pursued`)
  for (let round = scheduler.whole(2, 4); round > 0 && !world.healing; round--) {
    const leader = await find(world, () => leaderOf(world, log))
    if (!leader) return
    const { life } = leader
    await alone(world, leader)
    if (world.healing || leader.life !== life) return
    const { epoch } = partitions.get(log) ?? {}
    leader.die(scheduler.chance(0.3))
    world.count('leader pursued', 1)
    await find(world, () => partitions.get(log)?.epoch !== epoch || undefined)
    // A successor is struck when it has hardly begun, or once it has done something.
    await scheduler.sleep(scheduler.random() * scheduler.pick([20, 200, 2_000]))
  }
}

/** For a moment nobody hears the leader: what it appends stays with it. */
async function alone({ scheduler, wires, brokers }: ClusterWorld, leader: ClusterBroker): Promise<void> {
  if (scheduler.chance(0.2)) return
  for (const { name } of brokers) if (name !== leader.name) wires.cut(leader.name, name)
  await scheduler.sleep(scheduler.random() * scheduler.pick([50, 1_000]))
  wires.heal()
}

function leaderOf({ audit, brokers }: ClusterWorld, log: string): ClusterBroker | undefined {
  const leader = audit.documents.partitions.get(log)?.leader
  return brokers.find(({ name, isUp }) => isUp && name === leader?.broker)
}

/** Looks again and again, for as long as a failover may take. */
async function find<T>({ scheduler }: ClusterWorld, look: () => T | undefined): Promise<T | undefined> {
  for (const until = scheduler.now + PATIENCE; scheduler.now < until; await scheduler.sleep(20)) {
    const found = look()
    if (found !== undefined) return found
  }
  return undefined
}
