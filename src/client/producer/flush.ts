/** The messages between one flush and the next, and a wait until all of them are settled. */
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

  /** Called for each that has entered, and once when no more will. */
  leave(count = 1): void {
    this.#left -= count
    if (this.#left === 0) this.#resolve()
  }
}
