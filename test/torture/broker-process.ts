import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { HttpOptions } from '../../src/http.js'
import { bundleProgram } from '../support/bundle.js'

/** What a broker's process is told. */
export interface BrokerConfig {
  readonly directory: string
  readonly port: number
  /** What it says that its address is. */
  readonly url: string
  /** By the addresses that the others say: where this one reaches them. */
  readonly relays: Readonly<Record<string, string>>
  readonly zookeeper: string
  readonly sessionTimeout: number
  readonly replicaLag: number
  readonly http?: Omit<HttpOptions, 'port' | 'advertise'> | undefined
}

/** What it says. */
export type BrokerWord =
  | { readonly said: 'ready'; readonly id: string }
  | { readonly said: 'leader'; readonly topic: string; readonly partition: number; readonly epoch: number }
  | {
      readonly said: 'isr'
      readonly topic: string
      readonly partition: number
      readonly inSync: readonly string[]
    }
  | { readonly said: 'log'; readonly level: 'warn' | 'error'; readonly message: string }

/** Milliseconds in which a broker must be there: longer than it waits for a controller. */
const START_LIMIT = 90_000
/** Milliseconds in which one that was asked to go must be gone. */
const STOP_LIMIT = 60_000

/** A broker's program, bundled once. Returns its path. */
export function brokerProgram(): Promise<string> {
  return bundleProgram('test/torture/child.ts', 'torture-broker')
}

/** A broker in a process of its own, which may be killed, paused and started again. */
export class BrokerProcess {
  readonly config: BrokerConfig
  readonly name: string
  readonly #program: string
  readonly #onWord: (word: BrokerWord) => void
  #process: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #id: string | undefined
  /** Ends that nobody asked for, with what was said last. */
  readonly surprises: string[] = []
  #lastError = ''
  #expected = false

  constructor(name: string, program: string, config: BrokerConfig, onWord: (word: BrokerWord) => void) {
    this.name = name
    this.config = config
    this.#program = program
    this.#onWord = onWord
  }

  /** Known once it was ready for the first time. */
  get id(): string | undefined {
    return this.#id
  }

  get runs(): boolean {
    return this.#process !== undefined
  }

  /** Starts it, if it does not run. Resolves when it serves; rejects when it ends before, or after a minute and a half. */
  async start(): Promise<void> {
    if (this.#process) return
    const { directory } = this.config
    mkdirSync(directory, { recursive: true })
    const child = spawn(process.execPath, [this.#program, JSON.stringify(this.config)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#process = child
    this.#expected = false
    this.#lastError = ''
    child.stdin!.on('error', () => {})
    child.stderr!.on('data', (chunk) => this.#log(String(chunk)))
    let ready = () => {}
    const isReady = new Promise<void>((resolve) => {
      ready = resolve
    })
    const lines = createInterface({ input: child.stdout! })
    lines.on('line', (line) => {
      const word = JSON.parse(line) as BrokerWord
      if (word.said === 'ready') {
        this.#id = word.id
        ready()
      }
      if (word.said === 'log' && word.level === 'error') this.#lastError = word.message
      this.#log(`${line}\n`)
      this.#onWord(word)
    })
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      this.#process = undefined
      child.stdin!.destroy()
      if (!this.#expected)
        this.surprises.push(`Broker ${this.name} ended by itself with ${code ?? signal}: ${this.#lastError}`)
      this.#log(`ended with ${code ?? signal}\n`)
    })
    const ending = this.#ended.then(() => {
      throw new Error(`Broker ${this.name} ended before it was ready: see ${join(directory, 'log')}.`)
    })
    ending.catch(() => {})
    await within(START_LIMIT, `Broker ${this.name} to be ready`, Promise.race([isReady, ending]))
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#expected = true
    this.#process?.kill('SIGKILL')
    await this.#ended
  }

  /** SIGTERM. Resolves when it is gone, in good order; rejects otherwise. */
  async stop(): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#expected = true
    child.kill('SIGTERM')
    await within(STOP_LIMIT, `Broker ${this.name} to stop`, this.#ended)
    if (child.exitCode !== 0) throw new Error(`Broker ${this.name} stopped with ${child.exitCode}.`)
  }

  /** SIGSTOP. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  #log(text: string): void {
    appendFileSync(join(this.config.directory, 'log'), `${new Date().toISOString()} ${text}`)
  }
}

/** Rejects when something takes longer than so many milliseconds. */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${milliseconds / 1_000} seconds.`)),
      milliseconds,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
