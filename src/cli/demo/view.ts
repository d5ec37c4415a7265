import type { Controller } from './controller.js'
import type { Ledger } from './ledger.js'
import type { Sensor } from './sensor.js'

/** What a person sees of the demo. */
export interface View {
  /** `duration`: seconds for which the sensors send. */
  start(duration: number): void
  end(deadLettered: number): void
}

const RESET = '\x1b[0m'
const paint = (code: number) => (text: string) => `\x1b[${code}m${text}${RESET}`
const bold = paint(1)
const dim = paint(2)
const red = paint(31)
const green = paint(32)
const yellow = paint(33)
const cyan = paint(36)

const ESCAPE = String.fromCharCode(27)
const FRAME = 100
const WIDTH = 74

/** A picture that is drawn anew ten times a second, in place. */
export class LiveView implements View {
  readonly #ledger: Ledger
  readonly #sensors: readonly Sensor[]
  readonly #controllers: readonly Controller[]
  #timer: NodeJS.Timeout | undefined
  #started = 0
  #duration = 0
  #lines = 0

  constructor(ledger: Ledger, sensors: readonly Sensor[], controllers: readonly Controller[]) {
    this.#ledger = ledger
    this.#sensors = sensors
    this.#controllers = controllers
  }

  start(duration: number): void {
    this.#duration = duration
    this.#started = performance.now()
    process.stdout.write('\x1b[?25l')
    this.#timer = setInterval(() => this.#draw(), FRAME).unref()
    process.once('exit', showCursor)
  }

  end(deadLettered: number): void {
    clearInterval(this.#timer)
    this.#draw()
    process.off('exit', showCursor)
    process.stdout.write(`\x1b[?25h\n${summary(this.#ledger, deadLettered, true)}`)
  }

  #draw(): void {
    const lines = this.#frame()
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : ''
    const columns = process.stdout.columns ?? 80
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${cutVisible(line, columns)}\n`).join('')}`)
    this.#lines = lines.length
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

function controllerLabel(controller: Controller): string {
  const { name, state, handled } = controller
  if (state === 'dead') return `${red(`✝ ${name}`)} ${dim(`${grouped(handled)} killed`)}`
  return `${green(`● ${name}`)} ${grouped(handled)}${controller.failed > 0 ? dim(` (${controller.failed} failed)`) : ''}`
}

function phase(seconds: number, duration: number, lost: number): string {
  if (seconds < duration / 2) return 'sensors send, controllers compete'
  if (seconds < duration) return 'a controller was killed: its message comes back when its lease ends'
  return lost > 0 ? 'sensors are done, the last messages are handled' : 'done'
}

function progressBar(share: number, width: number): string {
  const full = Math.round(share * width)
  return `${green('█'.repeat(full))}${dim('░'.repeat(width - full))}`
}

function sparkline(values: readonly number[]): string {
  const blocks = '▁▂▃▄▅▆▇█'
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  return values.map((value) => blocks[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('')
}

function grouped(count: number): string {
  return count.toLocaleString('en')
}

/** A line that would wrap would spoil the picture. Colour codes take no room. */
function cutVisible(line: string, columns: number): string {
  let visible = 0
  let text = ''
  for (const part of line.split(new RegExp(`(${ESCAPE}\\[\\d+m)`))) {
    if (part.startsWith(ESCAPE)) text += part
    else {
      const characters = [...part].slice(0, columns - visible)
      visible += characters.length
      text += characters.join('')
    }
  }
  return text
}

/** Pads to the right place, colour codes not counted. */
function padVisible(text: string, width: number): string {
  const escapes = new RegExp(`${ESCAPE}\\[\\d+m`, 'g')
  return ' '.repeat(Math.max(0, width - text.replace(escapes, '').length)) + text
}

function showCursor(): void {
  process.stdout.write('\x1b[?25h')
}
