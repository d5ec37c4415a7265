import { paths } from '../../src/coordination/documents.js'
import { isPortalError } from '../../src/core/errors.js'
import type { ClusterChange } from '../../src/protocol/cluster.js'
import type { ClusterBroker } from './cluster-broker.js'
import type { ClusterWorld } from './cluster-world.js'
import type { Call } from './link.js'

/** How long a broker that is to be forgotten may take to stop and to have nothing any more (ms). */
const PATIENCE = 60_000

/** Adds brokers, spreads what there is over them, empties one, puts it back, or forgets it; and leaves all in order at the end. */
export async function runOperator(world: ClusterWorld, call: Call): Promise<void> {
  const { scheduler, brokers, trace } = world
  let drained: ClusterBroker | undefined
  // With three brokers there is nowhere to go.
  const hasRoom = brokers.length > 3
  if (hasRoom && scheduler.chance(0.5)) brokers[brokers.length - 1]!.isAway = true
  while (!world.healing) {
    await scheduler.sleep(scheduler.random() * 4_000)
    if (world.healing) break
    const away = brokers.find(({ isAway }) => isAway)
    const dice = scheduler.random()
    if (away) {
      if (dice < 0.5) await add(away)
    } else if (drained) {
      if (dice < 0.25) await undrain(drained)
      else if (dice < 0.5) await forget(drained)
    } else if (dice < 0.3) await change({ type: 'rebalance' })
    else if (dice < 0.8 && hasRoom) await drain(scheduler.pick(brokers))
  }
  for (const broker of brokers) broker.isAway = false
  while (drained) if (!(await undrain(drained))) await scheduler.sleep(1_000)

  async function add(broker: ClusterBroker): Promise<void> {
    trace.line(`${broker.name} is added`)
    world.count('broker added', 1)
    broker.isAway = false
    await scheduler.sleep(scheduler.random() * 5_000)
    if (!world.healing) await change({ type: 'rebalance' })
  }

  async function drain(broker: ClusterBroker): Promise<void> {
    // Whether it was done is not known if the answer is lost.
    drained = broker
    await change({ type: 'drain', broker: broker.name })
  }

  async function undrain(broker: ClusterBroker): Promise<boolean> {
    const isDone = await change({ type: 'undrain', broker: broker.name })
    if (isDone) drained = undefined
    return isDone
  }

  /** Once nothing is on it, it stops for good; the machine that comes under its name is another one. */
  async function forget(broker: ClusterBroker): Promise<void> {
    if (holdsSomething(broker)) return
    broker.isAway = true
    const until = scheduler.now + PATIENCE
    while (scheduler.now < until && !world.healing) {
      await scheduler.sleep(1_000)
      if (broker.life || holdsSomething(broker)) continue
      await change({ type: 'forget', broker: broker.name })
      // The answer may be lost.
      if (world.ensemble.truth.read(paths.broker(broker.name)) !== undefined) continue
      broker.wipe()
      drained = undefined
      return
    }
    broker.isAway = false
  }

  function holdsSomething({ name }: ClusterBroker): boolean {
    return [...world.audit.documents.partitions.values()].some(({ replicas, target = [], inSync }) =>
      [...replicas, ...target, ...inSync].some(({ broker }) => broker === name),
    )
  }

  async function change(request: ClusterChange): Promise<boolean> {
    trace.line(`operator: ${request.type} ${'broker' in request ? request.broker : ''}`)
    try {
      await call('changeCluster', request, 5_000)
      world.count(request.type, 1)
      return true
    } catch (error) {
      if (!isPortalError(error)) throw error
      return false
    }
  }
}
