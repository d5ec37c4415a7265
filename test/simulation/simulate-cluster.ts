import { ClusterWorld } from './cluster-world.js'
import type { Outcome } from './simulate.js'

/** One history of a cluster: everything in it follows from the seed. */
export async function simulateCluster(
  seed: number,
  steps: number,
  options: { readonly loud?: boolean } = {},
): Promise<Outcome> {
  const world = new ClusterWorld(seed)
  world.trace.loud = options.loud ?? false
  const stray = (error: unknown) => world.scheduler.fail(error)
  process.on('unhandledRejection', stray)
  let error: unknown
  try {
    await world.run(steps)
  } catch (caught) {
    error = caught
  } finally {
    process.off('unhandledRejection', stray)
  }
  const { scheduler, auditor, trace, counts } = world
  return {
    seed,
    cast: 'cluster',
    hash: trace.digest(),
    steps: scheduler.steps,
    milliseconds: scheduler.now,
    entries: auditor.entries,
    promises: auditor.promises,
    counts: Object.fromEntries([...counts].sort()),
    error,
    trace: trace.tail(),
  }
}
