/** A wait for everything that was under way when it began. */
export class Flush {
  readonly done: Promise<void>
  #left = 1
  #resolve!: () => void

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  enter(): void {
    this.#left++
  }

  /** Called once for each `enter`, and once when all have entered. */
  leave(): void {
    this.#left--
    if (this.#left === 0) this.#resolve()
  }
}
