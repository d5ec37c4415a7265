import { setTimeout as sleep } from 'node:timers/promises'
import { isPortalError, PortalError } from '../../../index.js'
import type { Board } from './board.js'
import type { BrokerProcess } from './broker-process.js'

/** From the start of the sensors to the kill: this share of their time. */
const KILL_AT = 0.2
/** Between the takeover and the return of the dead one (ms): time to look. */
const ABSENCE = 1_500
/** How long each of its steps may take (ms). */
const PATIENCE = 60_000
const LOOK = 10

export interface StoryEvent {
  /** Seconds since the sensors began. */
  readonly at: number
  readonly text: string
}

/** What happens to the cluster while the sensors send: a leader dies, another follows, the dead one comes back. */
export class Story {
  readonly events: StoryEvent[] = []
  victim: BrokerProcess | undefined
  /** Of the topic whose leader was killed: the longest time without an acknowledgement, until the new leader gave its first (ms). */
  pause = 0
  /** From the kill until a new leader said that it leads (ms). */
  takeover = 0
  readonly #topic: string
  readonly #board: Board
  readonly #brokers: readonly BrokerProcess[]
  readonly #onEvent: (event: StoryEvent) => void
  #started = 0
  #killedAt: number | undefined
  #lastStored = 0
  /** Readings of the topic are taken again. */
  #goesOn = false

  constructor(
    topic: string,
    board: Board,
    brokers: readonly BrokerProcess[],
    onEvent: (event: StoryEvent) => void,
  ) {
    this.#topic = topic
    this.#board = board
    this.#brokers = brokers
    this.#onEvent = onEvent
  }

  /** Milliseconds for which the topic has had no leader; undefined: it has one. */
  get leaderless(): number | undefined {
    return this.#killedAt === undefined || this.takeover > 0 ? undefined : performance.now() - this.#killedAt
  }

  begin(): void {
    this.#started = performance.now()
    this.#say('three brokers are one cluster; sensors and controllers are at work')
  }

  /** A reading of `topic` was acknowledged. */
  stored(topic: string): void {
    if (topic !== this.#topic) return
    const now = performance.now()
    const gap = now - this.#lastStored
    this.#lastStored = now
    if (this.#killedAt === undefined || this.#goesOn) return
    this.pause = Math.max(this.pause, gap)
    if (this.takeover === 0) return
    this.#goesOn = true
    this.#say(`readings of ${topic} are taken again: the pause was ${milliseconds(this.pause)}`)
  }

  /** Rejects with ABORTED when it is interrupted, and with TIMEOUT where it does not go on. */
  async tell(duration: number, signal: AbortSignal): Promise<void> {
    await sleep(duration * KILL_AT, undefined, { signal })
    const { leader, epoch } = this.#place
    const victim = this.#brokers.find(({ id }) => id === leader)!
    this.victim = victim
    this.#killedAt = performance.now()
    victim.kill()
    this.#say(`broker ${victim.name}, which leads ${this.#topic}, is killed: SIGKILL, process ${victim.pid}`)
    await this.#until(
      'a new leader',
      () => this.#place.epoch > epoch && this.#place.leader !== undefined,
      signal,
    )
    this.takeover = performance.now() - this.#killedAt
    const next = this.#leader()
    this.#say(`broker ${next} leads ${this.#topic} in epoch ${this.#place.epoch}`)
    await sleep(ABSENCE, undefined, { signal })
    this.#say(`broker ${victim.name} is started again, on its old directory`)
    await victim.start()
    await this.#until(
      `broker ${victim.name}`,
      () => this.#place.inSync.length === this.#brokers.length,
      signal,
    )
    this.#say(`broker ${victim.name} has caught up: all three are in sync again`)
    void this.#epilogue(victim, signal)
  }

  /** Nobody waits for the leadership's way back: it begins once the cluster has been quiet for some seconds. */
  async #epilogue(victim: BrokerProcess, signal: AbortSignal): Promise<void> {
    try {
      await this.#until('the first choice', () => this.#place.leader === victim.id, signal)
      this.#say(`${this.#topic} goes back to broker ${victim.name}, its first choice`)
    } catch (error) {
      if (!signal.aborted && !isPortalError(error, 'TIMEOUT')) throw error
    }
  }

  get #place(): ReturnType<Board['of']> {
    return this.#board.of(this.#topic)
  }

  #leader(): string {
    const { leader } = this.#place
    return this.#brokers.find(({ id }) => id === leader)?.name ?? '?'
  }

  async #until(what: string, happened: () => boolean, signal: AbortSignal): Promise<void> {
    const end = performance.now() + PATIENCE
    while (!happened()) {
      if (performance.now() > end)
        throw new PortalError('TIMEOUT', `The demo waited ${PATIENCE / 1_000} seconds for ${what}, in vain.`)
      await sleep(LOOK, undefined, { signal })
    }
  }

  #say(text: string): void {
    const event = { at: (performance.now() - this.#started) / 1_000, text }
    this.events.push(event)
    this.#onEvent(event)
  }
}

function milliseconds(duration: number): string {
  return `${Math.round(duration).toLocaleString('en')} ms`
}
