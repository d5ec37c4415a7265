import type { Controller } from './controller.js'
import type { Ledger } from './ledger.js'
import type { Sensor } from './sensor.js'
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
} from './terminal.js'

const WIDTH = 74

/** What a person sees of the demo. */
export interface View {
  /** `duration`: seconds for which the sensors send. */
  start(duration: number): void
  end(deadLettered: number): void
}

/** All of it at a glance, in a terminal. */
export class LiveView implements View {
  readonly #ledger: Ledger
  readonly #sensors: readonly Sensor[]
  readonly #controllers: readonly Controller[]
  readonly #screen = new LiveScreen(() => this.#frame())
  #started = 0
  #duration = 0

  constructor(ledger: Ledger, sensors: readonly Sensor[], controllers: readonly Controller[]) {
    this.#ledger = ledger
    this.#sensors = sensors
    this.#controllers = controllers
  }

  start(duration: number): void {
    this.#duration = duration
    this.#started = performance.now()
    this.#screen.start()
  }

  end(deadLettered: number): void {
    this.#screen.end()
    process.stdout.write(`\n${summary(this.#ledger, deadLettered, true)}`)
  }

  #frame(): string[] {
    const seconds = (performance.now() - this.#started) / 1_000
    const { sent, acknowledged, redelivered, lost } = this.#ledger
    const lines = [
      `${bold('portal-mq demo')}  ${dim('one process, one SQLite file, every acknowledged message fsynced')}`,
      `${progressBar(Math.min(seconds / this.#duration, 1), 40)} ${seconds.toFixed(1)} s`,
      dim(phase(seconds, this.#duration, lost)),
      '',
    ]
    for (const sensor of this.#sensors) {
      lines.push(
        `${cyan(sensor.topic)}  ${sensor.city}  ${bold(`${(sensor.recent.at(-1) ?? 0).toFixed(1)} °C`)}`,
      )
      lines.push(`  ${cyan(sparkline(sensor.recent.slice(-WIDTH + 2)))}`)
      const crew = this.#controllers.filter(({ topic }) => topic === sensor.topic)
      lines.push(`  ${crew.map(controllerLabel).join('   ')}`, '')
    }
    lines.push(
      `sent ${bold(grouped(sent))}   acknowledged ${green(grouped(acknowledged))}   ` +
        `under way ${yellow(grouped(lost))}   came back ${yellow(grouped(redelivered))}`,
    )
    return lines
  }
}

/** A line a second, for logs and pipes. */
export class PlainView implements View {
  readonly #ledger: Ledger
  readonly #controllers: readonly Controller[]
  #timer: NodeJS.Timeout | undefined
  #deadSeen = false

  constructor(ledger: Ledger, _sensors: readonly Sensor[], controllers: readonly Controller[]) {
    this.#ledger = ledger
    this.#controllers = controllers
  }

  start(duration: number): void {
    process.stdout.write(
      `portal-mq demo: sensors and controllers on one embedded broker, for ${duration} s\n`,
    )
    this.#timer = setInterval(() => this.#print(), 1_000).unref()
  }

  end(deadLettered: number): void {
    clearInterval(this.#timer)
    this.#print()
    process.stdout.write(summary(this.#ledger, deadLettered, false))
  }

  #print(): void {
    const { sent, acknowledged, redelivered, lost } = this.#ledger
    const dead = this.#controllers.find(({ state }) => state === 'dead')
    if (dead && !this.#deadSeen) {
      this.#deadSeen = true
      process.stdout.write(`controller ${dead.name} of ${dead.topic} was killed with a message in hand\n`)
    }
    process.stdout.write(
      `sent ${sent}, acknowledged ${acknowledged}, under way ${lost}, came back ${redelivered}\n`,
    )
  }
}

function summary(ledger: Ledger, deadLettered: number, colours: boolean): string {
  const { sent, delivered, acknowledged, failed, redelivered, lost, duplicates } = ledger
  const good = (text: string) => (colours ? green(bold(text)) : text)
  const bad = (text: string) => (colours ? red(bold(text)) : text)
  const verdict = (count: number) => (count === 0 ? good('0') : bad(grouped(count)))
  const rows: [string, string, string][] = [
    ['sent', grouped(sent), 'stored and fsynced'],
    ['delivered', grouped(delivered), 'to some controller'],
    ['acknowledged', grouped(acknowledged), 'never delivered again'],
    ['failed', grouped(failed), 'on purpose'],
    ['redelivered', grouped(redelivered), 'after a failure or the death of a controller'],
    ['dead letters', grouped(deadLettered), 'failed five times'],
    ['duplicates', verdict(duplicates), 'acknowledged twice'],
    ['lost', verdict(lost), ''],
  ]
  const lines = rows.map(([name, count, note]) =>
    `  ${name.padEnd(13)}${padVisible(count, 9)}  ${colours ? dim(note) : note}`.trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

export function controllerLabel(controller: Controller): string {
  const { name, state, handled } = controller
  if (state === 'dead') return `${red(`✝ ${name}`)} ${dim(`${grouped(handled)} killed`)}`
  return `${green(`● ${name}`)} ${grouped(handled)}${controller.failed > 0 ? dim(` (${controller.failed} failed)`) : ''}`
}

function phase(seconds: number, duration: number, lost: number): string {
  if (seconds < duration / 2) return 'sensors send, controllers compete'
  if (seconds < duration) return 'a controller was killed: its message comes back when its lease ends'
  return lost > 0 ? 'sensors are done, the last messages are handled' : 'done'
}
