/**
 * The latest names of many, in bounded memory: at least the last `most` that were added, and never more than twice as many. One full set is dropped as
 * a whole, so nothing has to be ordered or timed.
 */
export class RecentSet {
  readonly #most: number
  #young = new Set<string>()
  #old = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  has(name: string): boolean {
    return this.#young.has(name) || this.#old.has(name)
  }

  add(name: string): void {
    this.#young.add(name)
    if (this.#young.size < this.#most) return
    this.#old = this.#young
    this.#young = new Set()
  }

  delete(name: string): void {
    this.#young.delete(name)
    this.#old.delete(name)
  }
}
