const HIDE = '\x1b[?25l'
const SHOW = '\x1b[?25h'
const ALTERNATE = '\x1b[?1049h'
const BACK = '\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

/** A terminal that is drawn anew in place; what was there before comes back at the end. */
export class Screen {
  readonly #restore = () => this.end()
  #last: readonly string[] = []
  #ended = false

  constructor() {
    process.stdout.write(`${ALTERNATE}${HIDE}`)
    process.once('exit', this.#restore)
  }

  /** As many lines as there is room for. */
  draw(lines: readonly string[]): void {
    this.#last = lines
    const { rows = 24, columns = 80 } = process.stdout
    const room = rows - 1
    const shown =
      lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`] : lines
    const text = shown.map((line) => `${line.slice(0, columns)}${CLEAR_LINE}`).join('\n')
    process.stdout.write(`${HOME}${text}\n${CLEAR_BELOW}`)
  }

  /** The last picture stays behind. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    process.off('exit', this.#restore)
    process.stdout.write(`${BACK}${SHOW}${this.#last.join('\n')}\n`)
  }
}
