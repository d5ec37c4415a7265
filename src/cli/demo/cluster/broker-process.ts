import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { PortalError } from '../../../index.js'
import type { ChildMessage, ChildSettings } from './broker-child.js'

/** The command, hidden from `--help`, that the processes run. */
export const CHILD_COMMAND = 'demo-broker'
/** How long a process may take until its broker serves (ms). */
const START = 60_000

/** One broker of the demo's cluster: a process that can be killed and started again, on the same directory and port. */
export class BrokerProcess {
  /** For people. */
  readonly name: string
  state: 'starting' | 'alive' | 'dead' = 'dead'
  /** The broker's id; '' before it has served for the first time. */
  id = ''
  url = ''
  readonly #settings: Omit<ChildSettings, 'port'>
  readonly #onLeader: (broker: BrokerProcess, topic: string, epoch: number) => void
  #process: ChildProcess | undefined
  #exited: Promise<unknown> = Promise.resolve()

  constructor(
    name: string,
    settings: Omit<ChildSettings, 'port'>,
    onLeader: (broker: BrokerProcess, topic: string, epoch: number) => void,
  ) {
    this.name = name
    this.#settings = settings
    this.#onLeader = onLeader
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get port(): string {
    return this.url === '' ? '' : new URL(this.url).port
  }

  /** Resolves once the broker serves, as a member of the cluster. */
  async start(): Promise<void> {
    this.state = 'starting'
    const settings: ChildSettings = { ...this.#settings, port: Number(this.port) }
    const child = fork(process.argv[1]!, [CHILD_COMMAND, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#process = child
    let failure = 'its process has ended'
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message: ChildMessage) => {
        if (message.kind === 'leads') this.#onLeader(this, message.topic, message.epoch)
        else if (message.kind === 'failed') failure = message.message
        else {
          this.id = message.id
          this.url = message.url
          this.state = 'alive'
          resolve()
        }
      })
    })
    // After 'exit' why it could not start may still be on the way. ('close' never comes once this side has disconnected.)
    const closed = once(child, 'close')
    this.#exited = once(child, 'exit').then(() => {
      this.state = 'dead'
      this.#process = undefined
    })
    const late = AbortSignal.timeout(START)
    const lateness = once(late, 'abort').then(() => {
      failure = `it does not serve after ${START / 1_000} seconds`
    })
    await Promise.race([ready, closed, lateness])
    if ((this.state as string) === 'alive') return
    throw new PortalError('DISCONNECTED', `Broker ${this.name} of the demo could not start: ${failure}`)
  }

  /** SIGKILL: no word to anybody. */
  kill(): void {
    this.#process?.kill('SIGKILL')
  }

  /** It hands over what it leads, and ends. */
  async stop(): Promise<void> {
    if (this.#process?.connected) this.#process.disconnect()
    await this.#exited
  }
}
