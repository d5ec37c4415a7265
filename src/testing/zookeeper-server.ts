import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { PortalError } from '../core/errors.js'
import { systemRuntime } from '../runtime/system.js'

const { clock, timers } = systemRuntime()

/** Small and quick to start: 60 MB and about a second. */
const JAVA = ['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const MAIN = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
/** Milliseconds. Three servers on a busy machine of two cores take up to ten seconds. */
const START_LIMIT = 60_000
const POLL = 50
const ANSWER_LIMIT = 1_000

/**
 * Runs the server below a shell that says its process id, and kills it when this process is gone, however that came: a server must
 * not be left behind by a test that was killed. A terminal sends Ctrl-C to all processes: this one decides when its servers end.
 */
const GUARD = `trap '' INT; exec 3<&0; "$@" </dev/null >/dev/null 2>&1 3<&- & pid=$!; echo $pid
(read _ <&3; kill -9 $pid) 2>/dev/null >/dev/null & guard=$!; wait $pid 2>/dev/null; kill $guard 2>/dev/null`

/** One server of an ensemble that this process has started. */
export class ZooKeeperServer {
  /** Where clients reach it, like `127.0.0.1:21810`. */
  readonly address: string
  readonly #command: readonly string[]
  #process: ChildProcess | undefined
  #ended: Promise<unknown> = Promise.resolve()
  #pid: number | undefined

  constructor(port: number, classpath: string, configuration: string) {
    this.address = `127.0.0.1:${port}`
    this.#command = ['java', ...JAVA, '-cp', classpath, MAIN, configuration]
  }

  /** The id of its process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#pid
  }

  /** Resolves once the process runs; that it serves, `ready` says. */
  async start(): Promise<void> {
    if (this.#process) return
    const process_ = spawn('sh', ['-c', GUARD, 'sh', ...this.#command], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#process = process_
    this.#ended = once(process_, 'exit').then(() => {
      process_.stdin.destroy()
      process_.stdout.destroy()
      this.#process = undefined
      this.#pid = undefined
    })
    // That the shell dies before it has read on is no error of this process.
    process_.stdin.on('error', () => {})
    const [line] = (await once(createInterface({ input: process_.stdout }), 'line')) as [string]
    this.#pid = Number(line)
  }

  /** Resolves once it serves clients: alone, or in an ensemble that has a leader. Rejects with TIMEOUT after a minute, or when it ends. */
  async ready(): Promise<void> {
    const end = clock.monotonic() + START_LIMIT
    while ((await this.mode()) === undefined) {
      if (this.#process && clock.monotonic() < end) await sleep(POLL)
      else throw new PortalError('TIMEOUT', `The ZooKeeper server at ${this.address} has not come to serve.`)
    }
  }

  /** What it says that it is; undefined if it does not serve. */
  async mode(): Promise<'standalone' | 'leader' | 'follower' | undefined> {
    const answer = await this.#ask('srvr')
    return /^Mode: (standalone|leader|follower)$/m.exec(answer)?.[1] as 'leader' | undefined
  }

  /** SIGTERM. Resolves when it has ended; `start` brings it back with what it knew. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** SIGKILL. Resolves when it has ended; `start` brings it back with what it knew. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** SIGSTOP: it is silent, and its connections stay. */
  pause(): void {
    this.#signal('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#signal('SIGCONT')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#signal(signal)
    // One that is paused hears of SIGTERM only after that.
    if (signal !== 'SIGKILL') this.#signal('SIGCONT')
    await this.#ended
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#pid === undefined) return
    try {
      process.kill(this.#pid, signal)
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error
    }
  }

  /** One of the words of four letters; '' if it cannot be asked. */
  #ask(word: string): Promise<string> {
    return new Promise((resolve) => {
      let answer = ''
      const socket = connect({ host: '127.0.0.1', port: Number(this.address.split(':')[1]) })
      const timer = timers.setTimeout(() => socket.destroy(), ANSWER_LIMIT)
      socket.on('connect', () => socket.end(word))
      socket.on('data', (chunk) => {
        answer += String(chunk)
      })
      socket.on('error', () => {})
      socket.on('close', () => {
        timer.cancel()
        resolve(answer)
      })
    })
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void timers.setTimeout(resolve, milliseconds))
}
