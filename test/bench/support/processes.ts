import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Roles } from '../network/child.js'

/** A process of its own that plays roles. */
export class Actor {
  readonly #process: ChildProcess

  constructor() {
    this.#process = fork(new URL('../network/child.ts', import.meta.url), [], {
      execArgv: [...process.execArgv, '--expose-gc'],
    })
  }

  async play<R extends keyof Roles>(
    role: R,
    ...args: Parameters<Roles[R]>
  ): Promise<Awaited<ReturnType<Roles[R]>>> {
    this.#process.send({ role, args })
    const [reply] = (await once(this.#process, 'message')) as [{ value?: never; error?: string }]
    if (reply.error !== undefined) throw new Error(reply.error)
    return reply.value as never
  }

  end(): void {
    this.#process.kill('SIGKILL')
  }
}

/** Actors for as long as `work` takes. */
export async function withActors<T>(
  count: number,
  work: (actors: readonly Actor[]) => Promise<T>,
): Promise<T> {
  const actors = Array.from({ length: count }, () => new Actor())
  try {
    return await work(actors)
  } finally {
    for (const actor of actors) actor.end()
  }
}
