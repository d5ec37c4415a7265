import { ClusterWorld } from './cluster-world.js'
import type { Ledger } from './ledger.js'
import type { Scheduler } from './scheduler.js'
import type { Trace } from './trace.js'
import { World } from './world.js'

/** Who lives in a history: one broker's clients call by call; the library's own, all far away; a cluster and its clients. */
export const CASTS = ['raw', 'network', 'cluster'] as const

export type Cast = (typeof CASTS)[number]

/** Steps of trouble that show most of what a cast may come to. */
export const STEPS: Record<Cast, number> = { raw: 4_000, network: 4_000, cluster: 20_000 }

/** A history before it has happened. */
export interface Task {
  readonly cast: Cast
  readonly seed: number
  /** Steps of trouble; healing and draining come on top. */
  readonly steps: number
}

export interface Outcome extends Task {
  /** Of all that happened: the same seed gives the same. */
  readonly hash: string
  /** All that were taken. */
  readonly taken: number
  /** Of virtual time. */
  readonly milliseconds: number
  readonly entries: number
  readonly promises: number
  readonly counts: Record<string, number>
  /** The promise that did not hold, and where that was seen; undefined: all held. */
  readonly error: string | undefined
  /** The end of what happened. */
  readonly trace: readonly string[]
}

interface Simulated {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly auditor: Ledger
  readonly counts: ReadonlyMap<string, number>
  run(steps: number): Promise<void>
}

/** One history: everything in it follows from the task. `loud` prints each line as it comes. */
export async function simulate(task: Task, options: { readonly loud?: boolean } = {}): Promise<Outcome> {
  const { cast, seed, steps } = task
  const world: Simulated = cast === 'cluster' ? new ClusterWorld(seed) : new World(seed, cast)
  const { scheduler, auditor, trace, counts } = world
  trace.loud = options.loud ?? false
  const stray = (error: unknown) => scheduler.fail(error)
  process.on('unhandledRejection', stray)
  let error: string | undefined
  try {
    await world.run(steps)
  } catch (caught) {
    error = caught instanceof Error ? (caught.stack ?? caught.message) : String(caught)
  } finally {
    process.off('unhandledRejection', stray)
  }
  return {
    cast,
    seed,
    steps,
    hash: trace.digest(),
    taken: scheduler.steps,
    milliseconds: scheduler.now,
    entries: auditor.entries,
    promises: auditor.promises,
    counts: Object.fromEntries([...counts].sort()),
    error,
    trace: trace.tail(),
  }
}

/** A failure as a person reads it: the end of what happened, what is wrong, and how to see it again. */
export function report({ cast, seed, steps, taken, error, trace }: Outcome, lines = 120): string {
  return [
    ...(lines > 0 ? trace.slice(-lines) : []),
    '',
    `${cast} seed ${seed}, step ${taken}: ${error}`,
    `Again, all of it: npm run sim -- --${cast} --seed ${seed} --steps ${steps} --loud`,
  ].join('\n')
}
