import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A process that a test has started: what it says, and how it ends. */
export interface Child {
  readonly lines: readonly string[]
  /** Resolves with the first line that begins so; rejects if the process ends without. */
  said(beginning: string): Promise<string>
  /** @default SIGKILL */
  kill(signal?: NodeJS.Signals): void
  /** The exit code, or the name of the signal. */
  readonly ended: Promise<number | string>
}

/** Runs a bundled program with Node; it is killed when the test ends. */
export function startChild(program: string, ...args: string[]): Child {
  return startProgram([process.execPath, program, ...args])
}

/** Runs any program; it is killed when the test ends. */
export function startProgram([name, ...args]: readonly string[]): Child {
  const process_ = spawn(name!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void process_.kill('SIGKILL'))
  const lines: string[] = []
  let complaints = ''
  process_.stderr.on('data', (chunk) => {
    complaints += String(chunk)
  })
  const output = createInterface({ input: process_.stdout })
  output.on('line', (line) => void lines.push(line))
  const ended = once(process_, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    lines,
    ended,
    kill: (signal = 'SIGKILL') => void process_.kill(signal),
    async said(beginning) {
      for (let over = false; ; ) {
        const line = lines.find((one) => one.startsWith(beginning))
        if (line !== undefined) return line
        if (over) throw new Error(`It ended with ${await ended} and never said ${beginning}: ${complaints}`)
        over = await Promise.race([ended.then(() => true), once(output, 'line').then(() => false)])
      }
    },
  }
}
