import type { BrokerProcess } from './broker-process.js'
import type { FireCluster } from './fire-cluster.js'
import type { Load } from './load.js'
import type { Direction, Relay } from './relay.js'

export interface Scene {
  readonly cluster: FireCluster
  readonly load: Load
  /** In [0, 1). */
  readonly random: () => number
  /** Milliseconds for which everything of ZooKeeper stays away. */
  readonly blackout: number
}

/** Does it, and undoes it. Returns what was done, in words. */
export type Fault = (scene: Scene) => Promise<string>

/** Everything that may happen, by name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'kill leader': async (scene) => killAndRestart(scene, [await leader(scene)]),
  'kill controller': async (scene) =>
    killAndRestart(scene, [(await scene.cluster.controller()) ?? any(scene)]),
  'kill two': (scene) => {
    const spared = any(scene)
    return killAndRestart(
      scene,
      scene.cluster.brokers.filter((broker) => broker !== spared),
    )
  },
  'kill all': (scene) => killAndRestart(scene, scene.cluster.brokers),
  'pause leader': async (scene) => pauseAndResume(scene, await leader(scene)),
  'pause controller': async (scene) =>
    pauseAndResume(scene, (await scene.cluster.controller()) ?? any(scene)),
  'cut between brokers': async (scene) => {
    const { cluster } = scene
    const [from, to] = two(scene)
    const direction = anyDirection(scene)
    await cut(
      scene,
      [cluster.between(from, to), ...(chance(scene, 0.5) ? [cluster.between(to, from)] : [])],
      direction,
    )
    return `from broker ${from + 1} to ${to + 1}, ${direction}`
  },
  'cut from ZooKeeper': async (scene) => {
    const broker = chance(scene, 0.6) ? await leader(scene) : any(scene)
    const direction = anyDirection(scene)
    await cut(scene, scene.cluster.toServers(indexOf(scene, broker)), direction)
    return `broker ${broker.name}, ${direction}`
  },
  'cut from clients': async (scene) => {
    const broker = any(scene)
    const direction = anyDirection(scene)
    await cut(scene, [scene.cluster.toBroker(indexOf(scene, broker))], direction)
    return `broker ${broker.name}, ${direction}`
  },
  isolate: async (scene) => {
    const broker = await leader(scene)
    await cut(scene, scene.cluster.around(indexOf(scene, broker)), 'both')
    return `broker ${broker.name}`
  },
  'isolate from brokers': async (scene) => {
    // ZooKeeper and clients reach it, the other brokers do not.
    const broker = await leader(scene)
    const at = indexOf(scene, broker)
    const others = scene.cluster.brokers.map((_, other) => other).filter((other) => other !== at)
    await cut(
      scene,
      others.flatMap((other) => [scene.cluster.between(at, other), scene.cluster.between(other, at)]),
      'both',
    )
    return `broker ${broker.name}`
  },
  'kill ZooKeeper server': async ({ cluster, random }) => {
    const servers = cluster.ensemble.servers
    const server =
      random() < 0.5 ? await cluster.ensemble.leader() : servers[Math.floor(random() * servers.length)]
    if (!server) return 'none'
    await server.kill()
    await sleep(cluster.sessionTimeout * (0.5 + random()))
    await server.start()
    await server.ready()
    return server.address
  },
  'ZooKeeper away': async ({ cluster, blackout }) => {
    const { servers } = cluster.ensemble
    await Promise.all(servers.map((server) => server.kill()))
    await sleep(blackout)
    await Promise.all(servers.map((server) => server.start()))
    await Promise.all(servers.map((server) => server.ready()))
    return `for ${Math.round(blackout / 1_000)} s`
  },
  'rolling restart': async ({ cluster, load }) => {
    for (const broker of cluster.brokers) {
      await broker.stop()
      await broker.start()
      await load.untilInSync(120_000)
    }
    return 'one after the other'
  },
  'consumer gone': async ({ load, cluster }) => {
    load.replaceConsumer()
    await sleep(cluster.sessionTimeout / 2)
    return 'another came'
  },
}

/** Killed, and started again before or after the others have noticed. */
async function killAndRestart(
  { cluster, random }: Scene,
  brokers: readonly BrokerProcess[],
): Promise<string> {
  const away = cluster.sessionTimeout * random() * 2.5
  await Promise.all(brokers.map((broker) => broker.kill()))
  await sleep(away)
  await Promise.all(brokers.map((broker) => broker.start()))
  return `${namesOf(brokers)}, away for ${Math.round(away)} ms`
}

/** Stopped for longer than its session. */
async function pauseAndResume({ cluster, random }: Scene, broker: BrokerProcess): Promise<string> {
  const away = cluster.sessionTimeout * (1.2 + random() * 2)
  broker.pause()
  try {
    await sleep(away)
  } finally {
    broker.resume()
  }
  return `broker ${broker.name}, for ${Math.round(away)} ms`
}

async function cut(
  { cluster, random }: Scene,
  relays: readonly Relay[],
  direction: Direction,
): Promise<void> {
  for (const relay of relays) relay.cut(direction)
  try {
    await sleep(cluster.sessionTimeout * (0.3 + random() * 3))
  } finally {
    const reset = random() < 0.5
    for (const relay of relays) relay.mend(reset)
  }
}

/** Who leads one of the partitions. */
async function leader(scene: Scene): Promise<BrokerProcess> {
  const { partitions } = await scene.load.admin.describeTopic(scene.load.topic)
  const { leader } = partitions[Math.floor(scene.random() * partitions.length)]!
  return scene.cluster.byId(leader?.id) ?? any(scene)
}

function any({ cluster, random }: Scene): BrokerProcess {
  return cluster.brokers[Math.floor(random() * cluster.brokers.length)]!
}

function two({ cluster, random }: Scene): [number, number] {
  const count = cluster.brokers.length
  const from = Math.floor(random() * count)
  return [from, (from + 1 + Math.floor(random() * (count - 1))) % count]
}

function anyDirection({ random }: Scene): Direction {
  return (['there', 'back', 'both'] as const)[Math.floor(random() * 3)]!
}

function chance({ random }: Scene, of: number): boolean {
  return random() < of
}

function indexOf({ cluster }: Scene, broker: BrokerProcess): number {
  return cluster.brokers.indexOf(broker)
}

function namesOf(brokers: readonly BrokerProcess[]): string {
  return `broker${brokers.length > 1 ? 's' : ''} ${brokers.map(({ name }) => name).join(', ')}`
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
