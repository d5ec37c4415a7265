import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Measured } from './measured.js'
import type { Task } from './simulate.js'

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))
/** So long may one history take (ms): one that hangs is one that failed. */
const LIMIT = 300_000

export interface PoolOptions {
  /** What each process runs. @default child.ts */
  readonly program?: string | undefined
  /** Prints each line as it comes. @default false */
  readonly loud?: boolean | undefined
}

/**
 * Runs histories in `size` processes, one at a time in each; the parent only collects. A process that ends or hangs over a history has failed it, and
 * another one takes its place. Resolves when `tasks` has no more and all are done.
 */
export async function inProcesses<T extends Task>(
  size: number,
  tasks: Iterator<T>,
  done: (task: T, outcome: Measured) => void,
  { program = CHILD, loud = false }: PoolOptions = {},
): Promise<void> {
  const works = async () => {
    let child: ChildProcess | undefined
    for (let next = tasks.next(); !next.done; next = tasks.next()) {
      child ??= fork(program, loud ? ['--loud'] : [])
      const outcome = await perform(child, next.value)
      done(next.value, outcome)
      // Whatever it still had in mind does not meet the next history.
      if (!child.connected || outcome.error !== undefined) {
        child.kill('SIGKILL')
        child = undefined
      }
    }
    child?.disconnect()
  }
  await Promise.all(Array.from({ length: size }, works))
}

function perform(child: ChildProcess, { cast, seed, steps }: Task): Promise<Measured> {
  return new Promise((resolve) => {
    const began = performance.now()
    const end = (outcome: Measured) => {
      clearTimeout(timer)
      child.off('message', end)
      child.off('exit', died)
      resolve(outcome)
    }
    const failed = (error: string) =>
      end({
        ...{ cast, seed, steps, error, hash: '', taken: 0, milliseconds: 0, entries: 0, promises: 0 },
        ...{ counts: {}, trace: [], real: performance.now() - began, processor: 0 },
      })
    const died = (code: number | null, signal: string | null) =>
      failed(`its process ended with ${signal ?? code}`)
    const timer = setTimeout(() => failed(`it was not done after ${LIMIT} ms`), LIMIT)
    child.on('message', end)
    child.on('exit', died)
    child.send({ cast, seed, steps } satisfies Task)
  })
}
