/**
 * A small set, in the order of coming, for what comes and goes all the time.
 *
 * A Set or Map must not be used for that where garbage counts: whenever V8 makes it a new table, the old table keeps what it
 * held and points to the new one. Once one of them is old, each keeps the next alive, with all that was ever in them, until
 * the next full collection: young objects that should have died are copied twice and make pauses ten times longer.
 */
export class TransientSet<T extends object> {
  /** Those that left are undefined until enough have. */
  #items: (T | undefined)[] = []
  /** None is before this place. */
  #from = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The oldest. */
  get first(): T | undefined {
    return this.#items[this.#from]
  }

  /** It must not be in it already. */
  add(item: T): this {
    if (this.#items.length >= 16 && this.#size * 2 < this.#items.length) {
      this.#items = [...this]
      this.#from = 0
    }
    this.#items.push(item)
    this.#size++
    return this
  }

  /** Finds the oldest at once, and the others the sooner the younger they are. */
  delete(item: T): boolean {
    const at = this.#items[this.#from] === item ? this.#from : this.#items.lastIndexOf(item)
    if (at < 0) return false
    this.#size--
    if (this.#size === 0) this.clear()
    else {
      this.#items[at] = undefined
      while (this.#items[this.#from] === undefined) this.#from++
    }
    return true
  }

  clear(): void {
    this.#items = []
    this.#from = 0
    this.#size = 0
  }

  /** Those that leave on the way are passed over. */
  *[Symbol.iterator](): IterableIterator<T> {
    const items = this.#items
    for (let at = this.#from; at < items.length; at++) {
      const item = items[at]
      if (item !== undefined) yield item
    }
  }
}
