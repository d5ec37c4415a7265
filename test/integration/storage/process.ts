import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'
import type { Line } from './workload.js'

/** The child as one file: without a loader's own files and processes in what strace sees. */
export async function bundleChild(): Promise<string> {
  const bundle = fileURLToPath(
    new URL('../../../node_modules/.cache/portal-mq/storage-child.mjs', import.meta.url),
  )
  const unfinished = `${bundle}.${process.pid}`
  await build({
    entryPoints: [fileURLToPath(new URL('./child.ts', import.meta.url))],
    outfile: unfinished,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    // It finds the storage worker as the sources do: by the environment.
    define: { 'import.meta.url': JSON.stringify('file:///child.ts') },
  })
  await rename(unfinished, bundle)
  return bundle
}

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portal-mq-storage-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A started child: what it says, line by line. */
export class StorageChild {
  readonly lines: Line[] = []
  readonly exited: Promise<void>
  errors = ''
  readonly #process: ChildProcess
  #changed: () => void = () => undefined

  constructor(command: readonly string[]) {
    const [program, ...args] = command
    this.#process = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Line)
      this.#changed()
    })
    this.#process.stderr!.on('data', (data) => {
      this.errors += data
    })
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', (error) => {
        reject(error)
        this.#changed()
      })
      this.#process.once('close', () => {
        resolve()
        this.#changed()
      })
    })
    this.exited.catch(() => undefined)
    onTestFinished(() => void this.#process.kill('SIGKILL'))
  }

  /** Waits until it has said something that `fits`. Rejects if it ends before. */
  async until(fits: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(fits)
      if (found !== undefined) return found
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`The child ended without saying it: ${this.errors}`)
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.exited
  }

  /** The highest index that it says is acknowledged; -1 if none. */
  get acknowledged(): number {
    return Math.max(-1, ...this.lines.map((line) => ('acknowledged' in line ? line.acknowledged : -1)))
  }
}

/** Throws, with the command that provides it, if `program` is missing. */
export function needProgram(program: string, command: string): void {
  const found = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)))
  if (!found) throw new Error(`This test needs ${program}. Install it: ${command}`)
}
