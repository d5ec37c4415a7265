/** A line on stderr that says how far a command is, when somebody watches. */
export class Progress {
  readonly #verb: string
  readonly #started = performance.now()
  #count = 0
  readonly #timer: NodeJS.Timeout | undefined

  constructor(verb: string) {
    this.#verb = verb
    if (!process.stderr.isTTY) return
    this.#timer = setInterval(() => this.#draw(), 200)
    this.#timer.unref()
  }

  add(count: number): void {
    this.#count += count
  }

  get count(): number {
    return this.#count
  }

  end(): void {
    if (!this.#timer) return
    clearInterval(this.#timer)
    this.#draw()
    process.stderr.write('\n')
  }

  #draw(): void {
    const seconds = (performance.now() - this.#started) / 1_000
    const rate = Math.round(this.#count / Math.max(seconds, 0.001))
    process.stderr.write(
      `\r${this.#count.toLocaleString('en')} ${this.#verb}, ${rate.toLocaleString('en')}/s   `,
    )
  }
}
