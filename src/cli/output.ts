/** How much is gathered before it is written (characters). */
const CHUNK = 1 << 16

/** Writes lines to stdout in large pieces, no faster than they are taken. A closed pipe ends it quietly. */
export class Output {
  #gathered: string[] = []
  #size = 0
  #closed = false
  #writing: Promise<void> = Promise.resolve()

  constructor() {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.#closed = true
    })
  }

  /** Whether whoever reads has gone. */
  get closed(): boolean {
    return this.#closed
  }

  /** Adds a line; returns what to wait for, if the reader is slower. */
  line(text: string): Promise<void> | undefined {
    this.#gathered.push(text)
    this.#size += text.length + 1
    return this.#size >= CHUNK ? this.flush() : undefined
  }

  /** Resolves when all lines so far have been taken, or whoever reads has gone. */
  flush(): Promise<void> {
    if (this.#gathered.length === 0 || this.#closed) return this.#writing
    const text = `${this.#gathered.join('\n')}\n`
    this.#gathered = []
    this.#size = 0
    this.#writing = new Promise((resolve) => {
      process.stdout.write(text, (error) => {
        if (error) this.#closed = true
        resolve()
      })
    })
    return this.#writing
  }
}
