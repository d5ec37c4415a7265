import type { ClusterBroker } from './cluster-broker.js'
import { MACHINES } from './cluster-clients.js'
import type { ClusterWorld } from './cluster-world.js'

/** How long a failover may take before the next trouble comes anyway (ms). */
const PATIENCE = 15_000

/**
 * Leaders that die one soon after the other, each with entries that nobody else has: what logs keep of epochs that were short shows where
 * they part wrongly (KIP-101, KIP-279). And leaders that are deposed and asked on before they know it: what they answer shows what it rests on. And
 * those that lead again in another epoch, of which a follower has not heard (KIP-320). Left to chance it hardly ever comes together.
 */
export async function runFailovers(world: ClusterWorld): Promise<void> {
  const { scheduler } = world
  const pause = scheduler.pick([5_000, 20_000, 100_000])
  while (!world.healing) {
    await scheduler.sleep(scheduler.random() * pause)
    const log = anyLed(world)
    if (world.healing || log === undefined) continue
    await scheduler.pick([pursue, pursue, deposeUnawares, leadAgain])(world, log)
  }
}

function anyLed({ scheduler, audit }: ClusterWorld): string | undefined {
  const { partitions } = audit.documents
  const led = [...partitions.keys()].sort().filter((log) => partitions.get(log)!.leader !== null)
  return led.length === 0 ? undefined : scheduler.pick(led)
}

/** Nobody reaches the leader until another leads; then clients do, and nobody else. */
async function deposeUnawares(world: ClusterWorld, log: string): Promise<void> {
  const { scheduler, trace, audit, wires, doorWires, brokers } = world
  const { partitions } = audit.documents
  const leader = leaderOf(world, log)
  if (!leader) return
  const { name, link } = leader
  const { epoch } = partitions.get(log)!
  trace.line(`${name}, which leads ${log}, is cut off`)
  for (const other of brokers) {
    if (other === leader) continue
    wires.cut(name, other.name)
    wires.cut(other.name, name)
  }
  for (const machine of MACHINES) doorWires.cut(machine, name)
  link.cut(scheduler.chance(0.5))
  await find(world, () => partitions.get(log)?.epoch !== epoch || undefined)
  // Its successor has taken something by then that it knows nothing of.
  await scheduler.sleep(scheduler.random() * 2_000)
  doorWires.heal()
  world.count('deposed unawares', 1)
  await scheduler.sleep(scheduler.random() * 10_000)
  wires.heal()
  link.heal()
}

/** The leader dies and mostly leads again in its next life, while one of its followers is told of nothing and asks it on as if it had led all the while. */
async function leadAgain(world: ClusterWorld, log: string): Promise<void> {
  const { scheduler, trace, audit, wires, brokers } = world
  const { partitions } = audit.documents
  const leader = leaderOf(world, log)
  const { epoch, replicas } = partitions.get(log)!
  const followers = replicas.filter(({ broker }) => broker !== leader?.name)
  if (!leader || followers.length === 0) return
  const deaf = scheduler.pick(followers).broker
  trace.line(`${leader.name}, which leads ${log}, dies, and ${deaf} hears of nothing`)
  for (const { name } of brokers) if (name !== deaf && name !== leader.name) wires.cut(name, deaf)
  leader.die(false)
  await find(world, () => partitions.get(log)?.epoch !== epoch || undefined)
  await scheduler.sleep(scheduler.random() * 3_000)
  wires.heal()
  world.count('leads again', 1)
}

/** The leader of one partition, then its successor, and so on. */
async function pursue(world: ClusterWorld, log: string): Promise<void> {
  const { scheduler, trace, audit } = world
  const { partitions } = audit.documents
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
