import { createHash } from 'node:crypto'

/** How many lines of the end are kept for a report. */
const TAIL = 400

/** What happened, line by line: hashed, so that two runs can be compared, and its end kept, so that a failure can be read. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #now: () => number
  #tail: string[] = []
  /** Print every line as it comes. */
  loud = false

  constructor(now: () => number) {
    this.#now = now
  }

  line(text: string): void {
    const line = `${this.#now().toFixed(3)} ${text}`
    this.#hash.update(line)
    if (this.loud) console.log(line)
    this.#tail.push(line)
    if (this.#tail.length > 2 * TAIL) this.#tail = this.#tail.slice(-TAIL)
  }

  tail(lines = TAIL): string[] {
    return this.#tail.slice(-lines)
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16)
  }
}
