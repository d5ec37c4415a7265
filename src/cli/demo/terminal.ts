/** What the demos draw with: colours, bars and lines of a terminal. */

const RESET = '\x1b[0m'
const paint = (code: number) => (text: string) => `\x1b[${code}m${text}${RESET}`
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)
export const cyan = paint(36)

const ESCAPE = String.fromCharCode(27)
const FRAME = 100

/** A picture that is drawn anew ten times a second, in place. */
export class LiveScreen {
  readonly #frame: () => readonly string[]
  #timer: NodeJS.Timeout | undefined
  #lines = 0

  constructor(frame: () => readonly string[]) {
    this.#frame = frame
  }

  start(): void {
    process.stdout.write('\x1b[?25l')
    this.#timer = setInterval(() => this.#draw(), FRAME).unref()
    process.once('exit', showCursor)
  }

  /** Draws it a last time, and leaves the cursor below it. */
  end(): void {
    clearInterval(this.#timer)
    this.#draw()
    process.off('exit', showCursor)
    showCursor()
  }

  #draw(): void {
    const lines = fitting(this.#frame(), (process.stdout.rows ?? 24) - 1)
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : ''
    const columns = process.stdout.columns ?? 80
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${cutVisible(line, columns)}\n`).join('')}`)
    this.#lines = lines.length
  }
}

/** What a terminal has room for: else each picture would be drawn below the one before. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  return lines.length <= rows ? lines : lines.filter((line) => line !== '').slice(0, Math.max(rows, 1))
}

export function progressBar(share: number, width: number): string {
  const full = Math.round(share * width)
  return `${green('█'.repeat(full))}${dim('░'.repeat(width - full))}`
}

export function sparkline(values: readonly number[]): string {
  const blocks = '▁▂▃▄▅▆▇█'
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  return values.map((value) => blocks[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('')
}

export function grouped(count: number): string {
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
export function padVisible(text: string, width: number): string {
  const escapes = new RegExp(`${ESCAPE}\\[\\d+m`, 'g')
  return ' '.repeat(Math.max(0, width - text.replace(escapes, '').length)) + text
}

function showCursor(): void {
  process.stdout.write('\x1b[?25h')
}
