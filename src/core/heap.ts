/** A binary heap of values with numeric priorities: the lowest comes first. */
export class MinHeap<T> {
  readonly #priorities: number[] = []
  readonly #values: T[] = []

  get size(): number {
    return this.#values.length
  }

  push(priority: number, value: T): void {
    let at = this.#values.length
    this.#priorities.push(priority)
    this.#values.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#priorities[parent]! <= priority) break
      this.#swap(at, parent)
      at = parent
    }
  }

  /** The lowest priority; undefined when it is empty. */
  peekPriority(): number | undefined {
    return this.#priorities[0]
  }

  /** Removes and returns the value of the lowest priority. */
  pop(): T | undefined {
    const first = this.#values[0]
    const last = this.#values.length - 1
    if (last < 0) return undefined
    this.#swap(0, last)
    this.#priorities.pop()
    this.#values.pop()
    this.#sink()
    return first
  }

  #sink(): void {
    const size = this.#values.length
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      if (left >= size) return
      const right = left + 1
      const child = right < size && this.#priorities[right]! < this.#priorities[left]! ? right : left
      if (this.#priorities[at]! <= this.#priorities[child]!) return
      this.#swap(at, child)
      at = child
    }
  }

  #swap(a: number, b: number): void {
    const priority = this.#priorities[a]!
    this.#priorities[a] = this.#priorities[b]!
    this.#priorities[b] = priority
    const value = this.#values[a]!
    this.#values[a] = this.#values[b]!
    this.#values[b] = value
  }
}
