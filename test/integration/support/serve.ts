import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A `portal-mq serve` that a test has started. */
export interface Served {
  readonly url: string
  /** Its log, a parsed line each. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
  kill(signal: NodeJS.Signals): void
  /** The exit code, or the name of the signal. */
  readonly ended: Promise<number | string>
}

interface ServeOptions {
  readonly env?: Readonly<Record<string, string>>
  /** What runs it, such as strace. */
  readonly under?: readonly string[]
}

/** Starts `serve`, on a free port unless the arguments name one, and waits until it listens; it is killed when the test ends. */
export async function startServe(
  program: string,
  args: readonly string[],
  { env = {}, under = [] }: ServeOptions = {},
): Promise<Served> {
  const port = args.includes('--port') ? [] : ['--port', '0']
  const [command = '', ...rest] = [...under, process.execPath, program, 'serve', ...port, ...args]
  const child = spawn(command, rest, { stdio: 'pipe', env: { ...process.env, ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  const log: Record<string, unknown>[] = []
  createInterface({ input: child.stderr }).on('line', (line) => void log.push(parse(line)))
  return { url: await firstUrl(child, ended, log), log, ended, kill: (signal) => void child.kill(signal) }
}

async function firstUrl(
  child: ChildProcessWithoutNullStreams,
  ended: Promise<unknown>,
  log: readonly object[],
): Promise<string> {
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([once(lines, 'line'), ended])
  const url = Array.isArray(first) && /^portal-mq listens at (\S+)$/.exec(String(first[0]))?.[1]
  if (url) return url
  throw new Error(`It said ${String(first)} instead of where it listens: ${JSON.stringify(log)}`)
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return { unparsed: line }
  }
}
