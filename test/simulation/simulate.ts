import { type Cast, World } from './world.js'

export interface Outcome {
  readonly seed: number
  readonly cast: Cast | 'cluster'
  readonly hash: string
  readonly steps: number
  /** Of virtual time. */
  readonly milliseconds: number
  readonly entries: number
  readonly promises: number
  readonly counts: Record<string, number>
  readonly error: unknown
  readonly trace: readonly string[]
}

/** One history: everything in it follows from the seed. */
export async function simulate(
  seed: number,
  steps: number,
  options: { readonly loud?: boolean; readonly cast?: Cast } = {},
): Promise<Outcome> {
  const world = new World(seed, options.cast ?? 'raw')
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
    cast: world.cast,
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

/** A failure as a person reads it. */
export function report({ seed, cast, steps, error, trace }: Outcome, lines = 60): string {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return [
    ...(lines > 0 ? trace.slice(-lines) : []),
    '',
    `seed ${seed}, step ${steps}: ${what}`,
    `Again: npm run sim -- --seed ${seed}${cast === 'raw' ? '' : ` --${cast}`}`,
  ].join('\n')
}
