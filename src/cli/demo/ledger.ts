/**
 * What the demo checks itself by: every reading has a number, and the ledger knows which were stored, delivered and
 * acknowledged. Readings of an earlier run on the same directory are not counted.
 */
export class Ledger {
  readonly run: string
  /** Stored: the broker has acknowledged the send. */
  readonly #sent = new Set<string>()
  readonly #acknowledged = new Map<string, number>()
  delivered = 0
  redelivered = 0
  failed = 0

  readonly #onStored: (topic: string) => void

  /** `onStored` is called for each reading, when the broker has acknowledged it. */
  constructor(run: string, onStored: (topic: string) => void = () => {}) {
    this.run = run
    this.#onStored = onStored
  }

  get sent(): number {
    return this.#sent.size
  }

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  /** Stored, and not acknowledged (yet). */
  get lost(): number {
    let lost = 0
    if (this.#acknowledged.size >= this.#sent.size) {
      for (const reading of this.#sent) if (!this.#acknowledged.has(reading)) lost++
      return lost
    }
    return this.#sent.size - this.#acknowledged.size
  }

  /** Acknowledged more than once. */
  get duplicates(): number {
    let duplicates = 0
    for (const times of this.#acknowledged.values()) if (times > 1) duplicates++
    return duplicates
  }

  stored(topic: string, number: number): void {
    this.#sent.add(`${topic}/${number}`)
    this.#onStored(topic)
  }

  /** How many of the stored readings are not in `log`. */
  missingFrom(log: ReadonlyMap<string, number>): number {
    let missing = 0
    for (const reading of this.#sent) if (!log.has(reading)) missing++
    return missing
  }

  acked(topic: string, number: number): void {
    const reading = `${topic}/${number}`
    this.#acknowledged.set(reading, (this.#acknowledged.get(reading) ?? 0) + 1)
  }
}

export interface Reading {
  readonly run: string
  readonly number: number
  readonly city: string
  readonly celsius: number
}
