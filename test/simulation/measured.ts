import { type Outcome, simulate, type Task } from './simulate.js'

/** What became of a history, and what it took. */
export interface Measured extends Outcome {
  /** Milliseconds that passed. */
  readonly real: number
  /** Milliseconds of processor time, of all threads of the process. */
  readonly processor: number
}

/** Runs one history and measures it. */
export async function measured(task: Task, options: { readonly loud?: boolean } = {}): Promise<Measured> {
  const before = process.cpuUsage()
  const began = performance.now()
  const outcome = await simulate(task, options)
  const real = performance.now() - began
  const { user, system } = process.cpuUsage(before)
  return { ...outcome, real, processor: (user + system) / 1_000 }
}
