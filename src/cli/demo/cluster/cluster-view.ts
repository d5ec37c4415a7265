import {
  bold,
  cyan,
  dim,
  green,
  grouped,
  LiveScreen,
  padVisible,
  progressBar,
  red,
  sparkline,
  yellow,
} from '../terminal.js'
import { controllerLabel } from '../view.js'
import type { Board } from './board.js'
import type { BrokerProcess } from './broker-process.js'
import type { ClusterScene } from './cluster-scene.js'
import { clusterSummary } from './cluster-summary.js'
import type { StoryEvent } from './story.js'

/** What a person sees of the cluster's demo. */
export interface ClusterView {
  /** Before the sensors begin. */
  prepare(what: string): void
  start(scene: ClusterScene): void
  happened(event: StoryEvent): void
  /** `log`: how often each reading is in the logs. */
  end(log: ReadonlyMap<string, number>): void
  /** It is over, without an end: something failed. May be called after `end`. */
  stop(): void
}

const SPARKS = 40
const COLUMN = 20
/** Events that the picture has room for. */
const EVENTS = 7

/** All of it at a glance, in a terminal. */
export class LiveClusterView implements ClusterView {
  #scene: ClusterScene | undefined
  #started = 0
  #screen: LiveScreen | undefined

  prepare(what: string): void {
    process.stdout.write(dim(`${what} …\n`))
  }

  start(scene: ClusterScene): void {
    this.#scene = scene
    this.#started = performance.now()
    this.#screen = new LiveScreen(() => this.#frame(scene))
    this.#screen.start()
  }

  /** The next picture shows it. */
  happened(): void {}

  end(log: ReadonlyMap<string, number>): void {
    this.stop()
    if (this.#scene) process.stdout.write(`\n${clusterSummary(this.#scene, log, true)}`)
  }

  stop(): void {
    this.#screen?.end()
    this.#screen = undefined
  }

  #frame(scene: ClusterScene): string[] {
    const { brokers, sensors, story, ledger, duration } = scene
    const seconds = (performance.now() - this.#started) / 1_000
    const lines = [
      `${bold('portal-mq demo --cluster')}  ${dim('three processes, each message on two disks at least')}`,
      `${progressBar(Math.min(seconds / duration, 1), 40)} ${seconds.toFixed(1)} s`,
      '',
      padRight('  broker', COLUMN) + sensors.map(({ topic }) => padRight(cyan(topic), COLUMN)).join(''),
      ...brokers.map((broker) => brokerLine(broker, scene)),
      '',
    ]
    for (const { topic, city, recent } of sensors) {
      const now = `${(recent.at(-1) ?? 0).toFixed(1)} °C`
      lines.push(
        `${cyan(topic)}  ${padRight(city, 10)}${bold(now.padStart(8))}  ${cyan(sparkline(recent.slice(-SPARKS)))}`,
      )
      const crew = scene.controllers.filter((controller) => controller.topic === topic)
      lines.push(`  ${crew.map(controllerLabel).join('   ')}`)
    }
    const sent = sensors.reduce((sum, sensor) => sum + sensor.count, 0)
    lines.push(
      '',
      `sent ${bold(grouped(sent))}   stored ${bold(grouped(ledger.sent))}   ` +
        `handled ${green(grouped(ledger.acknowledged))}   under way ${yellow(grouped(sent - ledger.acknowledged))}`,
      '',
    )
    for (const { at, text } of story.events.slice(-EVENTS))
      lines.push(`${dim(`${at.toFixed(1).padStart(5)} s`)}  ${text}`)
    const { leaderless } = story
    if (leaderless !== undefined)
      lines.push(
        yellow(`         no leader for ${(leaderless / 1_000).toFixed(1)} s: its session has to end first`),
      )
    return lines
  }
}

/** A line a second, and one for each event: for logs and pipes. */
export class PlainClusterView implements ClusterView {
  #scene: ClusterScene | undefined
  #timer: NodeJS.Timeout | undefined

  prepare(what: string): void {
    process.stdout.write(`${what}\n`)
  }

  start(scene: ClusterScene): void {
    this.#scene = scene
    for (const { name, url, pid } of scene.brokers)
      process.stdout.write(`broker ${name} is at ${url}, process ${pid}\n`)
    this.#timer = setInterval(() => this.#print(), 1_000).unref()
  }

  happened({ at, text }: StoryEvent): void {
    process.stdout.write(`${at.toFixed(1)} s: ${text}\n`)
  }

  end(log: ReadonlyMap<string, number>): void {
    this.#print()
    this.stop()
    if (this.#scene) process.stdout.write(clusterSummary(this.#scene, log, false))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #print(): void {
    if (!this.#scene) return
    const { sensors, ledger, board, brokers } = this.#scene
    const sent = sensors.reduce((sum, sensor) => sum + sensor.count, 0)
    const nameOf = (id: string | undefined) => brokers.find((broker) => broker.id === id)?.name ?? 'nobody'
    const leaders = sensors.map(({ topic }) => {
      const { leader, epoch, inSync } = board.of(topic)
      return `${topic} led by ${nameOf(leader)} in epoch ${epoch}, in sync ${inSync.map(nameOf).sort().join(' ')}`
    })
    process.stdout.write(
      `sent ${sent}, stored ${ledger.sent}, handled ${ledger.acknowledged}; ${leaders.join('; ')}\n`,
    )
  }
}

function brokerLine(broker: BrokerProcess, { sensors, board }: ClusterScene): string {
  const { name, port, state } = broker
  const mark = { alive: green('●'), dead: red('✝'), starting: yellow('○') }[state]
  const cells = sensors.map(({ topic }) => padRight(cell(broker, board.of(topic)), COLUMN))
  return `${padRight(`${mark} ${bold(name)} ${dim(`at port ${port}`)}`, COLUMN)}${cells.join('')}`
}

function cell({ id, state }: BrokerProcess, { leader, epoch, inSync }: ReturnType<Board['of']>): string {
  if (state === 'dead') return red('killed')
  if (leader === id) return state === 'alive' ? green(bold(`leads, epoch ${epoch}`)) : dim('led')
  if (state === 'starting') return yellow('starts')
  return inSync.includes(id) ? green('in sync') : yellow('catches up')
}

function padRight(text: string, width: number): string {
  return text + ' '.repeat(padVisible(text, width).length - text.length)
}
