import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { CrashLedger } from './ledger.js'

/** One life of the child: it is killed `delay` ms after it is open. */
export async function liveAndDie(
  bundle: string,
  directory: string,
  round: number,
  delay: number,
  ledger: CrashLedger,
): Promise<void> {
  const child = spawn(process.execPath, [bundle, directory, String(round)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr!.on('data', (chunk) => {
    complaints += String(chunk)
  })
  const lines = createInterface({ input: child.stdout! })
  const read = once(lines, 'close')
  const ready = new Promise<void>((resolve) => {
    lines.on('line', (line) => (line === 'ready' ? resolve() : ledger.hear(line)))
  })
  const ended = once(child, 'exit')
  await Promise.race([ready, ended.then(() => fail(child, complaints)), deadline(20_000, child)])
  // The time of the kill is the test's subject, not a wait for something.
  await new Promise((resolve) => setTimeout(resolve, delay))
  if (child.exitCode !== null) fail(child, complaints)
  child.kill('SIGKILL')
  await Promise.all([ended, read])
}

function fail(child: ChildProcess, complaints: string): never {
  throw new Error(`The child ended by itself with ${child.exitCode ?? child.signalCode}:\n${complaints}`)
}

async function deadline(milliseconds: number, child: ChildProcess): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
  child.kill('SIGKILL')
  throw new Error(`The child was not ready within ${milliseconds} ms.`)
}
